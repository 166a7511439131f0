"""The study of MLPF: the file of relevances, and whole studies on synthetic events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from particle_flow import MODEL
from torch.utils.data import Dataset

from fair_hep.bundle.errors import ConfigError, ExplainError
from fair_hep.bundle.parts import Part
from fair_hep.data.blocks import Blocks, adopt, compute
from fair_hep.pages.figures import figure
from fair_hep.particleflow import relevances
from fair_hep.particleflow.choices import choose
from fair_hep.particleflow.columns import CLASSES, ELEMENT, MOMENTA
from fair_hep.particleflow.randomised import randomised
from fair_hep.particleflow.relevances import EXPLAINED, blocks_of, explain_events, layout, read_maps, relevance_key
from fair_hep.particleflow.rmap_figures import draw_r_map
from fair_hep.particleflow.rmaps import RelevanceFlow, one_output
from fair_hep.provenance.configuration import Config
from fair_hep.study.relevances import describe, read_relevances, write_relevances
from support.events import Events, make_network

LAYOUT = layout(ELEMENT)
ACCOUNT = ("inputs", "bias", "epsilon", "lost")
FORMULAS = MODEL.feature_names.formulas


def both(data: Dataset[Any]) -> dict[str, Dataset[Any]]:
    return {"val": data, "test": data}


def make_config(**explain: Any) -> Config:
    return Config.model_validate({"name": "tiny", "explain": {"size": 6, "figures": 1, **explain}})


def test_choice_is_of_every_class_and_outcome_and_has_a_seed() -> None:
    network, data = make_network(), Events()
    some = choose(network, data, range(6), 3, seed=1)
    again = choose(network, data, range(6), 3, seed=1)
    other = choose(network, data, range(6), 3, seed=2)
    assert [c.rows.tolist() for c in some] == [c.rows.tolist() for c in again]
    assert [c.rows.tolist() for c in some] != [c.rows.tolist() for c in other]
    true, predicted = (np.concatenate([getattr(c, name) for c in some]) for name in ("true", "predicted"))
    everything = choose(network, data, range(6), 10**6, seed=1)
    all_true, all_predicted = (np.concatenate([getattr(c, name) for c in everything]) for name in ("true", "predicted"))
    assert len(all_true) == int((data.batch["elements"][..., 0] > 0).sum())
    for kind in range(len(CLASSES)):
        for right in (True, False):
            there = int(((all_true == kind) & ((all_predicted == kind) == right)).sum())
            assert int(((true == kind) & ((predicted == kind) == right)).sum()) == min(3, there)


def test_file_holds_the_maps_of_the_chosen_elements(tmp_path: Path) -> None:
    network, data = make_network(), Events()
    choices = choose(network, data, range(6), 4, seed=1)
    write_relevances(
        tmp_path,
        blocks_of(network, data, choices, 1e-6),
        LAYOUT,
        {"title": "a test"},
    )
    elements = list(read_maps(tmp_path / "relevances.h5", chunk=3))
    assert len(elements) == sum(len(choice.rows) for choice in choices)
    with h5py.File(tmp_path / "relevances.h5") as file:
        assert {f"{group}/{name}" for group in file for name in file[group]} == set(LAYOUT)
        assert all(values.attrs["meaning"] for group in file.values() for values in group.values())
        assert list(file.attrs["layout"]) == describe(LAYOUT)
        number = len(elements) // 2
        event = int(np.searchsorted(np.cumsum(file["example/maps"]), number, side="right"))
        index, row = int(file["example/index"][event]), int(file["map/row"][number])
        stop = int(np.sum(file["map/seen"][: number + 1]))
        there = file["seen/row"][stop - int(file["map/seen"][number]) : stop]
        explained, account = file["map/explained"][number], sum(file[f"ledger/{name}"][number] for name in ACCOUNT)
    np.testing.assert_allclose(account, explained, rtol=1e-4, atol=1e-5)
    features, mask = network.features(data.__getitems__([index])["elements"])
    maps = RelevanceFlow(network.body, features, mask)
    for place, name in [(0, CLASSES[elements[number].true]), (3, MOMENTA[2])]:
        wanted, relevance = maps.maps(one_output(name, features)).map(row)
        assert wanted.tolist() == there.tolist()
        # The network's own pass is over an event without padding: sums round differently.
        np.testing.assert_allclose(elements[number].relevance[:, place], relevance, rtol=1e-3, atol=1e-6)
        logits, momenta = network(data.__getitems__([index])["elements"])
        output = torch.cat([logits, momenta], -1)[0, row, (*CLASSES, *MOMENTA).index(name)]
        assert explained[place] == pytest.approx(float(output.detach()), rel=1e-5)


def test_the_reader_of_all_models_reads_it_by_events_and_by_maps(tmp_path: Path) -> None:
    network, data = make_network(), Events()
    choices = choose(network, data, range(6), 4, seed=1)
    path = write_relevances(tmp_path, blocks_of(network, data, choices, 1e-6), LAYOUT, {})
    events = [event for part in read_relevances(path) for event in map(part.row, range(len(part["example/maps"])))]
    assert [event["example/index"] for event in events] == [choice.index for choice in choices]
    maps = [one for part in read_relevances(path, rows="example/maps") for one in part["seen/relevance"]]
    assert len(maps) == sum(event["example/maps"] for event in events) == len(list(read_maps(path)))
    for event in events:
        relevance = event["seen/relevance"][: event["example/maps"]]
        assert relevance.shape[2:] == (len(EXPLAINED), len(ELEMENT))
        np.testing.assert_allclose(
            relevance.sum((1, 3), dtype=float), event["ledger/inputs"][: len(relevance)], rtol=1e-4, atol=1e-5
        )


def test_a_killed_explanation_goes_on(tmp_path: Path) -> None:
    network, data = make_network(), Events()
    choices = choose(network, data, range(6), 4, seed=1)
    key = relevance_key(network, data, choices, 1e-6)
    started: list[int] = []

    def work(numbers: range, stop: int = 99) -> Any:
        started.append(numbers.start)
        for number, part in zip(numbers, blocks_of(network, data, choices, 1e-6).work(numbers), strict=True):
            if number == stop:
                raise KeyboardInterrupt
            yield part

    blocks = Blocks(key, len(choices), work)

    with pytest.raises(KeyboardInterrupt):
        write_relevances(tmp_path, Blocks(key, len(choices), lambda numbers: work(numbers, 2)), LAYOUT, {})
    assert not (tmp_path / "relevances.h5").exists()
    path = write_relevances(tmp_path, blocks, LAYOUT, {})
    # Finished, and asked for again by a study that was stopped later: nothing is explained twice.
    write_relevances(tmp_path, blocks, LAYOUT, {})
    assert started == [0, 2]
    whole = write_relevances(tmp_path / "whole", blocks, LAYOUT, {})
    assert [name.name for name in tmp_path.iterdir() if name.is_file()] == ["relevances.h5"]
    with h5py.File(path) as one, h5py.File(whole) as other:
        for name in LAYOUT:
            np.testing.assert_array_equal(one[name][:], other[name][:], err_msg=name)
    data.batch["elements"][choices[0].index, 0, 1] += 1.0
    assert relevance_key(network, data, choices, 1e-6) != key
    assert relevance_key(network, data, choices, 1e-5) != key


def test_whole_study(tmp_path: Path) -> None:
    options = {"elements": 5, "others": 2, "trust": 6, "removal": 1, "removal_steps": 2, "interactive": False}
    found = MODEL.study(make_network(), both(Events()), make_config(options=options), tmp_path)
    json.dumps(found, allow_nan=False)
    assert found["ledger"]["largest_error"] < 1e-5
    assert set(found["outputs"]) == set(EXPLAINED)
    files = {path.name for path in tmp_path.iterdir()}
    assert {
        "removal.png",
        "relevances.h5",
        "r_scores.png",
        "relevant_elements.png",
        "rmap_none.png",
        "rmaps_log_pt.png",
    } <= files
    assert any(name.startswith("event_") for name in files)
    assert all(path.stat().st_size > 1000 for path in tmp_path.iterdir())
    assert [row["stage"] for row in found["trust"]["randomised"]] == [
        "classify",
        "convolutions.1",
        "convolutions.0",
        "embed",
    ]
    assert any("largest ledger error" in line for line in found["headline"])


def test_study_of_tiny_events(tmp_path: Path) -> None:
    config = make_config(size=2, precision="float64", options={"interactive": False, "trust": 3})
    found = MODEL.study(make_network(), both(Events(2, longest=1)), config, tmp_path)
    assert found["elements"]["explained"] == 2
    assert found["ledger"]["largest_error"] < 1e-10
    json.dumps(found, allow_nan=False)


def test_relevances_change_when_weights_become_random() -> None:
    network, data = make_network(), Events()
    choices = choose(network, data, range(6), 6, seed=1)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    stages = randomised(network, data, choices, epsilon=1e-6, seed=5, limit=20)
    assert abs(stages[-1]["correlation"]) < 0.7
    assert all(row["elements"] > 5 for row in stages)
    assert all(values.equal(before[name]) for name, values in network.state_dict().items())


def test_events_are_explained_one_after_the_other() -> None:
    network, data = make_network(), Events()
    choices = choose(network, data, range(6), 4, seed=1)
    parts = list(explain_events(network, data, choices, 1e-6))
    assert [int(part["example/index"][0]) for part in parts] == [choice.index for choice in choices]
    assert all(len(part["seen/row"]) == len(part["seen/relevance"]) == part["map/seen"].sum() for part in parts)


def test_every_column_has_a_label_of_its_own() -> None:
    # Published maps had ten labels for twelve columns.
    assert len(set(FORMULAS)) == len(set(MODEL.feature_names.plain)) == len(ELEMENT) == 12
    values = np.zeros((2, len(ELEMENT)))
    with figure() as (_, panel):
        draw_r_map(panel, values, FORMULAS, ["the element itself", "most relevant other (60 % track)"])
        assert [label.get_text() for label in panel.get_xticklabels()] == list(FORMULAS)
        assert panel.get_xticks().tolist() == list(range(12))


def test_parts_are_joined_to_what_one_run_explains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, data = make_network(), both(Events())
    config = make_config(figures=0, options={"elements": 4, "trust": 0, "removal": 0})
    whole = MODEL.study(network, data, config, tmp_path / "whole")
    for number in (3, 1, 2):
        (blocks,) = MODEL.explanations(network, data, config, tmp_path / "joined")
        files = compute(tmp_path / str(number), blocks, Part(number, 3).share(blocks.count))
        adopt(tmp_path / "joined", files)
    monkeypatch.setattr(relevances, "explain_events", None)
    assert MODEL.study(network, data, config, tmp_path / "joined") == whole
    assert len({(tmp_path / name / "relevances.h5").read_bytes() for name in ("whole", "joined")}) == 1
    with pytest.raises(ExplainError, match=r"explain\.runtime=onnx: maps of whole events are sparse"):
        MODEL.explanations(network, data, make_config(runtime="onnx"), tmp_path)


def test_an_open_ledger_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, data = make_network(), Events()

    def forgetful(*arguments: Any, **options: Any) -> Any:
        for part in explain_events(*arguments, **options):
            part["ledger/error"][-1, 3] = 2e-5
            yield part

    monkeypatch.setattr(relevances, "explain_events", forgetful)
    with pytest.raises(ExplainError, match=r"ledger stays open by 2\.0e-05"):
        MODEL.study(
            network, both(data), make_config(figures=0, options={"elements": 2, "trust": 0, "removal": 0}), tmp_path
        )


@pytest.mark.parametrize(
    ("explain", "error", "words"),
    [
        ({"composite": "epsilon-gamma"}, ExplainError, "epsilon or lrp-0"),
        ({"bias": "exclude", "precision": "float64"}, ExplainError, "absorb"),
        ({"options": {"element": 3}}, ConfigError, "elements"),
        ({"options": {"others": 0}}, ConfigError, "others"),
    ],
)
def test_bad_settings_are_refused(explain: dict[str, Any], error: type[Exception], words: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=words):
        MODEL.study(make_network(), both(Events()), make_config(**explain), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_events_without_elements_are_refused(tmp_path: Path) -> None:
    data = Events(3)
    data.batch = {name: torch.zeros_like(values) for name, values in data.batch.items()}
    with pytest.raises(ExplainError, match="none of the 3 events has an element"):
        MODEL.study(make_network(), both(data), make_config(), tmp_path)
    assert list(tmp_path.iterdir()) == []
