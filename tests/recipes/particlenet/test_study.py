"""The study: measures of edges by hand, the file of relevances, and a whole study on synthetic jets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from top_tagger import MODEL
from torch.utils.data import Dataset

from fair_hep.bundle.errors import ConfigError, ExplainError
from fair_hep.jets import relevances as module
from fair_hep.jets.edges import angle_and_mass, between_subjets, top_edges
from fair_hep.jets.relevances import (
    JetRelevances,
    explain_jets,
    non_empty,
    read_relevances,
    relevance_key,
    write_relevances,
)
from fair_hep.jets.study import study
from fair_hep.jets.tables import Tables, average, spectrum
from fair_hep.lrp import COMPOSITES
from fair_hep.models.synthetic import jets
from fair_hep.provenance.configuration import Config, ExplainConfig

TARGET = [-1.0, 1.0]
#: Explanations and nothing else of the study.
BARE: dict[str, Any] = {"figures": 0, "options": {"controls": 0, "trust": 0}}


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


def one_jet() -> JetRelevances:
    """Return a jet of four constituents in two subjets, with edges whose relevance is known."""
    share = np.array([[[0.4, 0.1], [0.2, 0.0], [0.3, 0.0], [0.0, 0.0]]])
    neighbour = np.array([[[1, 2], [3, -1], [0, -1], [-1, -1]]])
    momentum = np.array([[[5.0, 3.0, 0.0, 4.0], [5.0, 0.0, 3.0, 4.0], [10.0, 6.0, 0.0, 8.0], [5.0, -3.0, 0.0, 4.0]]])
    angles = np.array([[[0.0, 0.0], [0.3, 0.4], [0.0, 3.1], [0.0, -3.1]]])
    return JetRelevances(
        {
            "jet/index": np.array([0]),
            "jet/constituents": np.array([4]),
            "constituent/subjet": np.array([[0, 0, 1, 1]]),
            "constituent/momentum": momentum,
            "constituent/angles": angles,
            "edge0/neighbour": neighbour,
            "edge0/share": share,
            "edge0/relevance": share,
        }
    )


def test_most_relevant_edges_are_ordered_and_end_where_edges_end() -> None:
    here, there, exists = top_edges(one_jet(), 0, 6)
    assert exists[0].tolist() == [True, True, True, True, False, False]
    assert list(zip(here[0][:4].tolist(), there[0][:4].tolist(), strict=True)) == [(0, 1), (2, 0), (1, 3), (0, 2)]


def test_fractions_between_subjets() -> None:
    # In order: 0-1 within, 2-0 between, 1-3 between, 0-2 between; the fifth doesn't exist.
    assert between_subjets(one_jet(), 0, 5)[0].tolist() == pytest.approx([0, 1 / 2, 2 / 3, 3 / 4, 3 / 4])
    part = one_jet()
    part.values["constituent/subjet"][:] = -1
    assert np.isnan(between_subjets(part, 0, 5)).all()


def test_angle_and_mass_of_edges() -> None:
    angle, mass = angle_and_mass(one_jet(), 0, 5)
    assert angle[0, 0] == pytest.approx(0.5)
    assert mass[0, 0] == pytest.approx(np.sqrt(100 - 9 - 9 - 64))
    assert mass[0, 1] == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(angle[0, 4])
    # phi is a circle: 3.1 and -3.1 are neighbours.
    part = one_jet()
    part.values["edge0/neighbour"] = np.array([[[-1, -1], [-1, -1], [3, -1], [-1, -1]]])
    assert angle_and_mass(part, 0, 1)[0][0, 0] == pytest.approx(2 * np.pi - 6.2)


def test_spectrum_counts_edges_and_its_error_counts_jets() -> None:
    values = np.array([[0.1, 0.1, np.nan], [0.3, 0.3, 9.0], [0.1, 0.3, 0.1]])
    fraction, error = spectrum(values, np.array([0.0, 0.2, 0.4]))
    assert fraction.tolist() == pytest.approx([4 / 8, 4 / 8])  # what lies above counts in the last bin
    # By hand: counts less their expectation are 1, -1.5, 0.5 for edges 2, 3, 3.
    assert error.tolist() == pytest.approx([np.sqrt((1 + 2.25 + 0.25) * 3 / 2) / 8] * 2)
    assert np.isnan(spectrum(np.full((2, 2), np.nan), np.array([0.0, 1.0]))[0]).all()


def test_average_over_networks_has_their_spread() -> None:
    tables = []
    for network in (0, 1):
        one = Tables(1, top_edges=5, heavy_edges=2)
        part = one_jet()
        part.values |= {
            "jet/label": np.array([network]),
            "ledger/error": np.array([2e-6]),
            "constituent/relevance": np.ones((1, 4, 7)),
        }
        one.add(part)
        assert one.above(1e-6) == 1 and one.above(1e-5) == 0
        tables.append(one.found(draws=0))
    found = average([tables[1], tables[1]])
    assert found["fractions"]["top"]["mean"] == pytest.approx([0, 1 / 2, 2 / 3, 3 / 4, 3 / 4])
    assert found["fractions"]["top"]["error"] == [0.0] * 5
    assert found["areas"]["mass"] == {"auc": None, "error": None}  # there is no QCD jet
    changed = json.loads(json.dumps(tables[1]))
    changed["fractions"]["trained"]["top"]["mean"][0] = 0.5
    found = average([tables[1], changed])
    assert found["fractions"]["top"]["mean"][0] == 0.25
    assert found["fractions"]["top"]["error"][0] == pytest.approx(np.sqrt(0.125))


def collect(network: Any, indices: list[int], **settings: Any) -> list[JetRelevances]:
    return list(explain_jets(network, Jets(), indices, TARGET, ExplainConfig(**settings)))


def test_relevances_of_a_jet_do_not_depend_on_the_batch(network: Any) -> None:
    indices = [0, 1, 2, 3, 7, 11]
    (whole,) = collect(network, indices, precision="float64")
    (small,) = collect(network, indices, precision="float64", batch_size=2)
    assert whole.values["jet/index"].tolist() == indices
    for name, values in whole.values.items():
        np.testing.assert_allclose(small.values[name], values, rtol=1e-6, atol=1e-12, err_msg=name)
    mask = whole.mask
    assert not whole.values["constituent/relevance"][~mask].any()
    for block in range(whole.blocks):
        neighbour, share, relevance = whole.edges(block)
        assert not share[neighbour < 0].any() and not relevance[neighbour < 0].any()
        edges = (neighbour >= 0).sum((1, 2))
        np.testing.assert_allclose(share.sum((1, 2)), edges > 0, atol=1e-6)


def test_processes_give_the_same_in_the_same_order(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 4)
    work = (network, Jets(), [0, 1, 2, 3, 4, 6, 7, 8, 9, 10], TARGET, ExplainConfig())
    one, two = list(explain_jets(*work)), list(explain_jets(*work, processes=2))
    for first, second in zip(one, two, strict=True):
        for name, values in first.values.items():
            np.testing.assert_allclose(second.values[name], values, rtol=1e-4, atol=1e-6, err_msg=name)


def test_ledger_of_every_jet_adds_up(network: Any) -> None:
    (part,) = collect(network, [0, 1, 2, 3], precision="float64")
    values = part.values
    total = sum(values[f"ledger/{name}"] for name in ("inputs", "bias", "epsilon", "lost"))
    np.testing.assert_allclose(total, values["jet/explained"], rtol=1e-10)
    np.testing.assert_allclose(values["constituent/relevance"].sum((1, 2)), values["ledger/inputs"], rtol=1e-10)
    difference = values["jet/logits"][:, 1] - values["jet/logits"][:, 0]
    np.testing.assert_allclose(difference, values["jet/explained"], rtol=1e-10)


def test_file_holds_what_was_explained(network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 4)
    data, indices, settings = Jets(), [0, 1, 2, 3, 4, 6, 7, 8, 9, 10], ExplainConfig()

    def blocks(done: int) -> Any:
        return explain_jets(network, data, indices, TARGET, settings, done=done)

    path = write_relevances(tmp_path, blocks, "key", {"title": "test"})
    assert [name.name for name in tmp_path.iterdir()] == ["relevances.h5"]
    read = list(read_relevances(path, chunk=3))
    assert np.concatenate([part.values["jet/index"] for part in read]).tolist() == indices
    for part, start in zip(read, range(0, 10, 3), strict=True):
        (wanted,) = explain_jets(network, data, indices[start : start + 3], TARGET, settings)
        for name, values in wanted.values.items():
            np.testing.assert_allclose(part.values[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
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
import os
import torch
from {__package__} import test_particlenet_study as test
import {__package__.rpartition(".")[0]}.models.particlenet.study as dying
test.module.BLOCK = 4
network = test.MODEL.build(preset="lite").eval()
network.load_state_dict(torch.load({str(weights)!r}))
honest = dying.explain_jets
def explain_jets(*arguments, **options):
    for number, part in enumerate(honest(*arguments, **options)):
        if number == 3:
            os.kill(os.getpid(), 9)
        yield part
dying.explain_jets = explain_jets
data = {{"val": test.Jets(), "test": test.Jets()}}
test.study(network, data, test.make_config(**test.BARE), test.Path({str(folder)!r}))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert len(list(folder.rglob("part-*.npz"))) == 3 and not (folder / "relevances.h5").exists()
    monkeypatch.setattr(module, "BLOCK", 4)
    data = {"val": Jets(), "test": Jets()}
    resumed, whole = (study(network, data, make_config(**BARE), path) for path in (folder, tmp_path / "whole"))
    assert resumed["jets"] == whole["jets"]
    with h5py.File(folder / "relevances.h5") as one, h5py.File(tmp_path / "whole" / "relevances.h5") as other:
        assert dict(one.attrs)["fingerprint"] == dict(other.attrs)["fingerprint"]
        assert one["jet/index"][:].tolist() == other["jet/index"][:].tolist()
        relevance = other["constituent/relevance"][:]
        np.testing.assert_allclose(one["constituent/relevance"][:], relevance, rtol=1e-4, atol=1e-5)


def test_interrupted_explanation_goes_on(network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 4)
    data, indices, settings = Jets(), [0, 1, 2, 3, 4, 6, 7, 8, 9, 10], ExplainConfig()
    started: list[int] = []

    def blocks(done: int, stop: int = 99) -> Any:
        started.append(done)
        for number, part in enumerate(explain_jets(network, data, indices, TARGET, settings, done=done)):
            if number == stop:
                raise KeyboardInterrupt
            yield part

    key = relevance_key(network, data, indices, settings, TARGET)
    with pytest.raises(KeyboardInterrupt):
        write_relevances(tmp_path, lambda done: blocks(done, 2), key, {})
    assert not (tmp_path / "relevances.h5").exists()
    path = write_relevances(tmp_path, blocks, key, {})
    assert started == [0, 2]
    whole = write_relevances(tmp_path / "whole", blocks, key, {})
    with h5py.File(path) as one, h5py.File(whole) as other:
        assert one["jet/index"][:].tolist() == indices
        np.testing.assert_array_equal(one["constituent/relevance"][:], other["constituent/relevance"][:])
    other_settings = ExplainConfig(composite="epsilon-gamma")
    assert relevance_key(network, data, indices, other_settings, TARGET) != key
    # The same numbers of other jets are other work; what is finished isn't done again.
    data.batch["particles"][0, 0] *= 1.5
    assert relevance_key(network, data, indices, settings, TARGET) != key
    write_relevances(tmp_path, blocks, key, {})
    assert started == [0, 2, 0]


def test_jets_without_constituents_are_counted() -> None:
    assert non_empty(Jets(), [4, 5, 6]) == ([4, 6], 1)


def make_config(**explain: Any) -> Config:
    return Config(name="test", model={"preset": "lite"}, explain=ExplainConfig(**explain))


def test_study_makes_tables_figures_and_one_file(network: Any, tmp_path: Path) -> None:
    config = make_config(size=24, figures=1, options={"controls": 2, "trust": 6, "trust_steps": 2})
    found = study(network, {"val": Jets(), "test": Jets()}, config, tmp_path)
    assert found["jets"]["explained"] == 23 and found["jets"]["without_constituents"] == 1
    assert found["jets"]["top"] + found["jets"]["QCD"] == 23
    assert found["ledger"]["largest_error"] < 1e-5
    assert len(found["fractions"]["trained"]["top"]["mean"]) == 15
    untrained = found["untrained"]
    assert untrained["networks"] == 2 and untrained["jets"] == 23
    assert len(untrained["fractions"]["QCD"]["mean"]) == 15
    for name in ("delta_r", "mass"):
        for area in (untrained["areas"][name], *found["areas"][name]):
            assert 0 <= area["auc"] <= 1 and area["error"] > 0
        for row in (*untrained["spectra"][name].values(), *found["spectra"][name].values()):
            assert sum(row["mean"]) == pytest.approx(1.0)
            assert len(row["error"]) == len(row["mean"]) and max(row["error"]) > 0
    assert found["ledger"]["jets_above"] == 0 and found["ledger"]["tolerance"] == 1e-5
    assert set(COMPOSITES) < set(found["trust"]["removal"])
    for shares in found["shares"]["feature"].values():
        assert sum(shares["mean"]) == pytest.approx(1.0, abs=1e-6)
    names = {path.name.partition("_")[0] for path in tmp_path.glob("*.png")}
    assert names == {"edges", "edge", "relevance", "r", "removal.png"}
    scores = found["r_scores"]
    assert np.array(scores["top"]).sum(1).tolist() == [found["jets"]["top"]] * 7
    assert (tmp_path / "relevances.h5").is_file()
    assert any("largest ledger error" in line for line in found["headline"])
    assert found["trust"]["jets"] == 6 and found["trust"]["recommended"] in found["trust"]["removal"]
    for row in found["trust"]["removal"].values():
        steps = len(row["insertion"]) - 1
        area = np.trapezoid(np.array(row["insertion"]) - np.array(row["deletion"]), dx=1 / steps)
        assert area == pytest.approx(row["area"], abs=1e-4)


def test_rules_are_chosen_on_validation_jets(network: Any, tmp_path: Path) -> None:
    config = make_config(size=12, figures=0, options={"controls": 0, "trust": 6, "trust_steps": 2})
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
