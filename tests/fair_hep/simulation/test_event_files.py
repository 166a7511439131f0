"""Simulated events: the same for the same seed, in the layout of the data set, with the pile-up that was asked for."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from particle_flow import MODEL

from fair_hep.bundle.errors import ConfigError, DataError
from fair_hep.bundle.files import read_json, sha256
from fair_hep.data.delphes import CHARGED_HADRON, NEUTRAL_HADRON, PHOTON, Event
from fair_hep.particleflow.reader import read_file
from fair_hep.simulation import event_files as module
from fair_hep.simulation.event_files import rounded, simulate
from fair_hep.simulation.event_generator import VERTEX, Collider
from support import recipes
from support.needs import require

SAMPLE = recipes.FOLDER / "mlpf" / "sample"


@pytest.fixture
def pythia() -> None:
    require(importlib.util.find_spec("pythia8mc"), "pythia8mc isn't installed: make environment")


def bytes_of(files: dict[str, list[Path]]) -> list[bytes]:
    return [path.read_bytes() for group in files.values() for path in group]


@pytest.mark.slow
@pytest.mark.usefixtures("pythia")
def test_a_seed_decides_everything_and_processes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_UNIT", 4)
    first = simulate(tmp_path / "a", size=12, seed=1, processes=1, pileup=1.0)
    again = simulate(tmp_path / "b", size=12, seed=1, processes=2, pileup=1.0)
    other = simulate(tmp_path / "c", size=12, seed=2, processes=2, pileup=1.0)
    assert bytes_of(first) == bytes_of(again)
    assert not set(bytes_of(first)) & set(bytes_of(other))
    assert {split: sum(len(read_file(path).elements) for path in group) for split, group in first.items()} == {
        "train": 8,
        "val": 2,
        "test": 2,
    }
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "simulation.json",
        "test_0.pkl.bz2",
        "train_0.pkl.bz2",
        "val_0.pkl.bz2",
    ]
    assert read_json(tmp_path / "a" / "simulation.json")["pileup_mean"] == 1.0
    # Files of the generator are sorted into the same splits again.
    names = [path.name for path in (tmp_path / "a").iterdir()]
    assert {split: [path.name for path in group] for split, group in first.items()} == MODEL.published(names)


@pytest.mark.usefixtures("pythia")
def test_what_is_made_at_once_comes_from_the_beam() -> None:
    collider = Collider("qcd", 0.0)
    collider.seed(1, 2)
    vertex = collider.event(np.random.default_rng(0)).vertex
    prompt = (vertex[:, :2] == 0).all(1)
    # Most particles come from the interaction itself: all of these from one place along the beam.
    assert prompt.mean() > 0.5
    assert len(np.unique(vertex[prompt, 2])) == 1
    assert 0 < abs(vertex[prompt, 2][0]) <= VERTEX["limit"]


@pytest.mark.usefixtures("pythia")
@pytest.mark.slow
def test_pile_up_adds_elements_in_proportion(tmp_path: Path) -> None:
    """Each interaction adds about the same: the data set's 200 make 5,000 elements, so one makes 25 or so."""
    counts = []
    for pileup in (0.0, 20.0, 40.0):
        files = simulate(tmp_path / str(pileup), size=10, seed=3, processes=1, pileup=pileup)
        lengths = [read_file(path).elements.counts() for group in files.values() for path in group]
        counts.append(np.concatenate(lengths).mean())
    first, second = (counts[1] - counts[0]) / 20, (counts[2] - counts[1]) / 20
    assert 15 < first < 35
    assert 15 < second < 35


@pytest.mark.parametrize(("options", "words"), [({"pileup": -1}, "pileup"), ({"pile_up": 3}, "pile_up")])
def test_options_that_do_not_fit_are_one_line(tmp_path: Path, options: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        MODEL.simulate(tmp_path / "out", size=10, seed=0, processes=1, **options)
    assert not (tmp_path / "out").exists()


def test_too_few_events_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got 3 events, expected at least 10"):
        simulate(tmp_path / "out", size=3, seed=0)


def test_without_pythia_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"isn't installed: .*whl\[simulate\]"):
        simulate(tmp_path / "out", size=10, seed=0)
    assert not list(tmp_path.iterdir())


def test_rounding_keeps_what_a_detector_could_tell() -> None:
    random = np.random.default_rng(0)
    elements = np.zeros((50, 12))
    elements[:, 0], elements[:, 9] = 2, 1
    elements[:, [1, 5]] = random.exponential(5, (50, 2))
    elements[:, [2, 3, 4, 6, 7, 8]] = random.uniform(-1, 1, (50, 6))
    gen = np.zeros((50, 7))
    gen[:, 0], gen[:, [2, 6]] = 1, random.exponential(5, (50, 2))
    event = Event(elements, gen, gen)
    found = rounded(event)
    np.testing.assert_allclose(found.elements[:, [1, 5]], elements[:, [1, 5]], rtol=2**-10)
    np.testing.assert_allclose(found.elements[:, 2:5], elements[:, 2:5], atol=2**-12)
    np.testing.assert_array_equal(found.elements[:, [0, 9]], elements[:, [0, 9]])
    np.testing.assert_array_equal(rounded(found).elements, found.elements)
    assert found.elements is not event.elements


def test_the_sample_is_what_its_provenance_says() -> None:
    told = read_json(SAMPLE / "provenance.json")
    assert told["license"] == "CC0-1.0"
    assert {path.name for path in SAMPLE.glob("*.bz2")} == set(told["sha256"])
    for name, checksum in told["sha256"].items():
        assert sha256(SAMPLE / name) == checksum
    assert told["pileup_mean"] == 0.0
    assert told["process"] == {"train": "ttbar", "val": "ttbar", "test": "hard_qcd"}
    assert set(told["pythia"]) == {"ttbar", "hard_qcd"}


def test_the_sample_looks_like_collisions() -> None:
    """Physics that any sample has: charges balance, directions are uniform, kinds are as common as they should be."""
    events = read_file(SAMPLE / "test_0.pkl.bz2")
    elements, gen = events.elements.values.astype(np.float64), events.gen.values.astype(np.float64)
    track = elements[:, 0] == 2
    charge = elements[track, 9]
    assert set(np.unique(charge)) == {-1.0, 1.0}
    assert abs(charge.mean()) < 5 / np.sqrt(len(charge))
    assert np.abs(elements[track, 2]).max() < 2.5 + 5 * 0.01
    assert np.abs(elements[:, 2]).max() <= 5.0
    for column in (3, 4):
        assert abs(elements[:, column].mean()) < 5 / np.sqrt(2 * len(elements))
    kinds = np.bincount(gen[:, 0].astype(int), minlength=6) / len(gen)
    assert kinds[CHARGED_HADRON] > kinds[PHOTON] > kinds[NEUTRAL_HADRON] > 0.05
    # A track bends away from where it started, positive ones to smaller phi: the field points along the beam.
    turn = np.arctan2(elements[track, 7], elements[track, 8]) - np.arctan2(elements[track, 3], elements[track, 4])
    turn = (turn + np.pi) % (2 * np.pi) - np.pi
    stiff = elements[track, 1] > 2
    assert (np.sign(turn[stiff]) == -charge[stiff]).mean() > 0.97
    # A track's particle is charged, and its momentum is the track's but for the resolution.
    assert set(np.unique(gen[track, 0])) <= {1.0, 4.0, 5.0}
    ratio = elements[track, 1] / gen[track, 2]
    assert abs(np.median(ratio) - 1) < 0.03
