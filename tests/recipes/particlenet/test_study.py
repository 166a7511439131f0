"""The study of ParticleNet: its file of relevances, and a whole study on synthetic jets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from top_tagger import MODEL
from torch.utils.data import Dataset

from fair_hep.bundle.errors import ConfigError, ExplainError
from fair_hep.data.store import Ragged, write_store
from fair_hep.jets.changed import CHANGES
from fair_hep.lrp import COMPOSITES
from fair_hep.models.explaining import rules_of
from fair_hep.models.synthetic import jets
from fair_hep.provenance.configuration import Config, ExplainConfig
from fair_hep.study import sets as module
from fair_hep.study.relevances import Relevances, read_relevances
from fair_hep.study.sets import explain_sets, non_empty, relevance_key, write_sets
from fair_hep.study.work import Work

ROOT = Path(__file__).resolve().parents[3]
TARGET = [-1.0, 1.0]
#: Explanations and nothing else of the study.
BARE: dict[str, Any] = {"figures": 0, "options": {"controls": 0, "trust": 0, "stability": 0}}


class Jets(Dataset[Any]):
    """Synthetic jets; jet 5 has no constituent."""

    def __init__(self, size: int = 24, *, empty: bool = True) -> None:
        self.batch = jets(size, 1, longest=20)
        if empty:
            self.batch["particles"][5] = 0.0
            self.batch["axis"][5] = 0.0

    def __len__(self) -> int:
        return len(self.batch["label"])

    def __getitems__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        return {name: values[indices] for name, values in self.batch.items()}


@pytest.fixture(scope="module")
def network() -> Any:
    torch.manual_seed(0)
    return MODEL.build(preset="lite").eval()


def work(network: Any, indices: list[int], data: Jets | None = None, **settings: Any) -> Work:
    """Return what the study asks to be explained."""
    asked = MODEL.explanation()
    chosen = rules_of(MODEL, ExplainConfig(**settings))
    return Work(MODEL, network, data or Jets(), indices, TARGET, chosen, asked.layout, asked.columns)


def collect(network: Any, indices: list[int], **settings: Any) -> list[Relevances]:
    return list(explain_sets(work(network, indices, **settings), progress=None))


def test_relevances_of_a_jet_do_not_depend_on_the_batch(network: Any) -> None:
    indices = [0, 1, 2, 3, 7, 11]
    (whole,) = collect(network, indices, precision="float64")
    (small,) = collect(network, indices, precision="float64", batch_size=2)
    assert whole["example/index"].tolist() == indices
    for name, values in whole.items():
        np.testing.assert_allclose(small[name], values, rtol=1e-6, atol=1e-12, err_msg=name)
    mask = whole.mask
    assert not whole["element/relevance"][~mask].any()
    for block in range(whole.places):
        neighbour, share, relevance = whole.edges(block)
        assert not share[neighbour < 0].any() and not relevance[neighbour < 0].any()
        edges = (neighbour >= 0).sum((1, 2))
        np.testing.assert_allclose(share.sum((1, 2)), edges > 0, atol=1e-6)


def test_processes_give_the_same_in_the_same_order(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 4)
    asked = work(network, [0, 1, 2, 3, 4, 6, 7, 8, 9, 10])
    one, two = list(explain_sets(asked)), list(explain_sets(asked, processes=2))
    for first, second in zip(one, two, strict=True):
        for name, values in first.items():
            np.testing.assert_allclose(second[name], values, rtol=1e-4, atol=1e-6, err_msg=name)


def test_ledger_of_every_jet_adds_up(network: Any) -> None:
    (values,) = collect(network, [0, 1, 2, 3], precision="float64")
    total = sum(values[f"ledger/{name}"] for name in ("inputs", "bias", "epsilon", "lost"))
    np.testing.assert_allclose(total, values["example/explained"], rtol=1e-10)
    np.testing.assert_allclose(values["element/relevance"].sum((1, 2)), values["ledger/inputs"], rtol=1e-10)
    difference = values["example/outputs"][:, 1] - values["example/outputs"][:, 0]
    np.testing.assert_allclose(difference, values["example/explained"], rtol=1e-10)


def test_file_holds_what_was_explained(network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 4)
    indices = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    path = write_sets(tmp_path, work(network, indices), {"title": "test"})
    assert [name.name for name in tmp_path.iterdir()] == ["relevances.h5"]
    read = list(read_relevances(path, chunk=3))
    assert np.concatenate([part["example/index"] for part in read]).tolist() == indices
    for part, start in zip(read, range(0, 10, 3), strict=True):
        (wanted,) = collect(network, indices[start : start + 3])
        for name, values in wanted.items():
            np.testing.assert_allclose(part[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
    with h5py.File(path) as file:
        for group in file:
            for name, values in file[group].items():
                assert values.attrs["meaning"], name


def test_a_killed_process_loses_no_finished_block(
    network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies at once, without a chance to clean up, in the middle of a study."""
    weights, folder = tmp_path / "weights.pt", tmp_path / "study"
    torch.save(network.state_dict(), weights)
    script = f"""
import importlib.util
import os
import sys
import support.recipes
spec = importlib.util.spec_from_file_location("test", {__file__!r})
test = importlib.util.module_from_spec(spec)
sys.modules["test"] = test
spec.loader.exec_module(test)
test.module.BLOCK = 4
network = test.MODEL.build(preset="lite").eval()
network.load_state_dict(test.torch.load({str(weights)!r}))
honest = test.module.explain_sets
def explain_sets(*arguments, **options):
    for number, part in enumerate(honest(*arguments, **options)):
        if number == 3:
            os.kill(os.getpid(), 9)
        yield part
test.module.explain_sets = explain_sets
data = {{"val": test.Jets(), "test": test.Jets()}}
test.study(network, data, test.make_config(**test.BARE), test.Path({str(folder)!r}))
"""
    path = os.pathsep.join(str(ROOT / name) for name in ("src", "tests"))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert len(list(folder.rglob("block-*.npz"))) == 3 and not (folder / "relevances.h5").exists()
    monkeypatch.setattr(module, "BLOCK", 4)
    data = {"val": Jets(), "test": Jets()}
    resumed, whole = (study(network, data, make_config(**BARE), path) for path in (folder, tmp_path / "whole"))
    assert resumed["examples"] == whole["examples"]
    with h5py.File(folder / "relevances.h5") as one, h5py.File(tmp_path / "whole" / "relevances.h5") as other:
        assert dict(one.attrs)["fingerprint"] == dict(other.attrs)["fingerprint"]
        assert one["example/index"][:].tolist() == other["example/index"][:].tolist()
        relevance = other["element/relevance"][:]
        np.testing.assert_allclose(one["element/relevance"][:], relevance, rtol=1e-4, atol=1e-5)


def test_interrupted_explanation_goes_on(network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 4)
    data, indices = Jets(), [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    asked = work(network, indices, data)
    started: list[int] = []
    stop = [2]

    def explained(asked: Work, *, numbers: range, **options: Any) -> Any:
        started.append(numbers.start)
        for number, part in zip(numbers, explain_sets(asked, numbers=numbers, **options), strict=True):
            if number == stop[0]:
                raise KeyboardInterrupt
            yield part

    monkeypatch.setattr(module, "explain_sets", explained)
    with pytest.raises(KeyboardInterrupt):
        write_sets(tmp_path, asked, {})
    assert not (tmp_path / "relevances.h5").exists()
    stop[0] = 99
    path = write_sets(tmp_path, asked, {})
    assert started == [0, 2]
    whole = write_sets(tmp_path / "whole", asked, {})
    with h5py.File(path) as one, h5py.File(whole) as other:
        assert one["example/index"][:].tolist() == indices
        np.testing.assert_array_equal(one["element/relevance"][:], other["element/relevance"][:])
    key = relevance_key(asked)
    assert relevance_key(work(network, indices, data, composite="epsilon-gamma")) != key
    # The same numbers of other jets are other work; what is finished isn't done again.
    write_sets(tmp_path, asked, {})
    assert started == [0, 2, 0]
    data.batch["particles"][0, 0] *= 1.5
    assert relevance_key(asked) != key
    write_sets(tmp_path, asked, {})
    assert started == [0, 2, 0, 0]


def test_jets_without_constituents_are_counted() -> None:
    assert non_empty(MODEL, Jets(), [4, 5, 6]) == ([4, 6], 1)


def study(network: Any, data: Mapping[str, Any], config: Config, folder: Path) -> Mapping[str, Any]:
    return MODEL.study(network, data, config, folder)


def make_config(**explain: Any) -> Config:
    return Config(name="test", model={"preset": "lite"}, explain=ExplainConfig(**explain))


def test_study_makes_tables_figures_and_one_file(network: Any, tmp_path: Path) -> None:
    config = make_config(size=24, figures=1, options={"controls": 2, "trust": 6, "trust_steps": 2})
    found = study(network, {"val": Jets(), "test": Jets()}, config, tmp_path)
    assert found["examples"]["explained"] == 23 and found["examples"]["without_elements"] == 1
    assert found["examples"]["top"] + found["examples"]["QCD"] == 23
    assert found["ledger"]["largest_error"] < 1e-5
    for kind in ("subjets", "prongs"):
        assert [len(block["top"]["mean"]) for block in found["fractions"][kind]] == [15, 15]
    assert "quarks" not in found["fractions"]  # these jets don't say where their constituents come from
    untrained = found["untrained"]
    assert untrained["networks"] == 2 and untrained["examples"] == 23
    assert [len(block["QCD"]["mean"]) for block in untrained["fractions"]["prongs"]] == [15, 15]
    for name in ("delta_r", "mass"):
        for area in (*untrained["areas"][name], *found["areas"][name]):
            assert 0 <= area["auc"] <= 1 and area["error"] > 0
        for row in (*untrained["spectra"][name].values(), *found["spectra"][name].values()):
            assert sum(row["mean"]) == pytest.approx(1.0)
            assert len(row["error"]) == len(row["mean"]) and max(row["error"]) > 0
    assert found["ledger"]["examples_above"] == 0 and found["ledger"]["tolerance"] == 1e-5
    assert set(COMPOSITES) < set(found["trust"]["removal"])
    for row in found["stability"]:
        assert row["jets"] == 23 and -1 <= row["correlation"] <= 1 and row["auc_change_error"] >= 0
    assert [row["changed"] for row in found["stability"]] == list(CHANGES)
    assert 0 <= found["ledger"]["bias"]["share"] <= 1
    for shares in found["shares"]["feature"].values():
        assert sum(shares["mean"]) == pytest.approx(1.0, abs=1e-6)
    names = {path.name.partition("_")[0] for path in tmp_path.glob("*.png")}
    assert names == {"edges", "edge", "relevance", "r", "removal.png"}
    scores = found["r_scores"]
    assert np.array(scores["top"]).sum(1).tolist() == [found["examples"]["top"]] * 7
    assert (tmp_path / "relevances.h5").is_file()
    assert any("largest ledger error" in line for line in found["headline"])
    assert found["trust"]["jets"] == 6 and found["trust"]["recommended"] in found["trust"]["removal"]
    for row in found["trust"]["removal"].values():
        steps = len(row["insertion"]) - 1
        area = np.trapezoid(np.array(row["insertion"]) - np.array(row["deletion"]), dx=1 / steps)
        assert area == pytest.approx(row["area"], abs=1e-4)


def test_origins_are_carried_and_measured_against(network: Any, tmp_path: Path) -> None:
    data = Jets()
    shape = data.batch["particles"].shape[:2]
    origin = torch.randint(0, 4, shape, generator=torch.Generator().manual_seed(0), dtype=torch.int8)
    side = torch.randint(5, 7, shape, generator=torch.Generator().manual_seed(1), dtype=torch.int8)
    data.batch["origin"] = torch.where(data.batch["label"][:, None] == 1, origin, side)
    config = make_config(size=12, figures=0, options={"controls": 1, "trust": 12, "trust_steps": 2, "stability": 0})
    found = study(network, {"val": data, "test": data}, config, tmp_path)
    assert len(found["fractions"]["quarks"]) == 2 and found["untrained"]["picking"]["jets"] > 0
    assert {"epsilon", "random order", "pT order", "Delta R order"} < set(found["trust"]["picked"])
    (part,) = read_relevances(tmp_path / "relevances.h5")
    for row, index in enumerate(part["example/index"]):
        count = part["example/elements"][row]
        assert part["element/origin"][row, :count].tolist() == data.batch["origin"][index, :count].tolist()
    assert any("picked" in line for line in found["headline"])


def test_rules_are_chosen_on_validation_jets(network: Any, tmp_path: Path) -> None:
    config = make_config(size=12, figures=0, options={"controls": 0, "trust": 6, "trust_steps": 2, "stability": 0})
    validation = Jets()
    validation.batch = {name: values[6:] for name, values in validation.batch.items()}
    one = study(network, {"val": Jets(), "test": Jets()}, config, tmp_path / "one")
    other = study(network, {"val": validation, "test": Jets()}, config, tmp_path / "other")
    assert one["trust"] != other["trust"]
    # Everything else is that of the test jets; headline and tables tell of both.
    assert {**one, "trust": 0, "headline": 0, "tables": 0} == {**other, "trust": 0, "headline": 0, "tables": 0}


def test_study_is_reproducible(network: Any, tmp_path: Path) -> None:
    config = make_config(size=12, figures=0, options={"controls": 1, "trust": 4, "trust_steps": 2})
    one, other = (study(network, {"val": Jets(), "test": Jets()}, config, tmp_path / name) for name in ("one", "other"))
    assert one == other


def test_study_refuses_what_makes_no_sense(network: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'controls'"):
        study(network, {"val": Jets(), "test": Jets()}, make_config(options={"control": 1}), tmp_path)
    only_empty = Jets()
    only_empty.batch = {name: values[5:6] for name, values in only_empty.batch.items()}
    with pytest.raises(ExplainError, match="nothing to explain"):
        study(network, {"val": Jets(), "test": only_empty}, make_config(), tmp_path)


def stored(folder: Path, size: int) -> Path:
    """Write a store of synthetic jets; return the folder of its splits."""
    batch = {name: values.numpy() for name, values in jets(size, 2, longest=20).items()}
    real = batch["particles"][..., 0] > 0
    with write_store(folder / "test", {}) as writer:
        particles = Ragged.from_counts(batch["particles"][real], real.sum(1))
        writer.append(particles=particles, axis=batch["axis"], label=batch["label"].astype(np.int16))
    return folder


def test_the_same_network_is_tried_on_other_jets(network: Any, tmp_path: Path) -> None:
    options = {**BARE["options"], "other_jets": 8}
    data = {"val": Jets(), "test": Jets()}

    def tried(folder: Path) -> Mapping[str, Any]:
        asked = make_config(figures=0, options={**options, "others": {"another shower": str(folder)}})
        return study(network, data, asked, tmp_path / "study")

    found = tried(stored(tmp_path / "stores", 30))
    (row,) = found["others"]
    assert (row["changed"], row["jets"], row["explained"]) == ("another shower", 30, 8)
    assert row["auc_change"] == pytest.approx(row["auc"] - row["auc_before"])
    assert -1 <= row["correlation"] <= 1 and 0 <= row["auc"] <= 1
    (table,) = [table for table in found["tables"] if "other jets" in table["title"]]
    assert table["rows"][0][0] == "another shower"
    with pytest.raises(ConfigError, match=r"explain.options.others another shower: got .*nowhere, expected a folder"):
        tried(tmp_path / "nowhere")
