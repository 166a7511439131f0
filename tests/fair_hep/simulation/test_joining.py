"""Files that are simulated in parts and joined are those of a single run; the generators are stood in for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fair_hep.bundle.errors import DataError
from fair_hep.bundle.files import read_json
from fair_hep.bundle.parts import Part
from fair_hep.data.delphes import Event
from fair_hep.data.toptag import CONSTITUENTS, TTV, Block
from fair_hep.simulation import event_files, jet_files, joining


@contextlib.contextmanager
def here(work: Callable[[Any], Any], tasks: Any, processes: int, start: Any = None) -> Iterator[Any]:
    """Work in this process."""
    assert processes >= 1
    yield map(work, tasks)


def jets(unit: Any) -> tuple[Block, dict[str, int]]:
    draw = np.random.default_rng([unit.seed, TTV[unit.split], unit.number])
    particles = draw.exponential(20, (unit.jets, CONSTITUENTS, 4)).astype(np.float32)
    origin = draw.integers(0, 3, (unit.jets, CONSTITUENTS)).astype(np.int8)
    truth = draw.normal(size=(unit.jets, 4)).astype(np.float32)
    made = {"top": int(draw.integers(9)), "qcd": unit.number}
    return Block(particles, truth, draw.integers(0, 2, unit.jets), TTV[unit.split], origin), made


def some_events(unit: Any) -> list[Event]:
    draw = np.random.default_rng([unit.seed, len(unit.split), unit.number])
    return [
        Event(draw.normal(size=(count, 12)), draw.normal(size=(count, 7)), draw.normal(size=(count, 7)))
        for count in draw.integers(0, 6, unit.events)
    ]


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, make in ((jet_files, jets), (event_files, some_events)):
        monkeypatch.setattr(module, "in_processes", here)
        monkeypatch.setattr(module, "_make", make)
        monkeypatch.setattr(module, "_require", lambda: None)
        monkeypatch.setattr(module, "_details", without_versions(module))
    for module in (jet_files, joining):
        monkeypatch.setattr(module, "UNIT", 5)
    monkeypatch.setattr(event_files, "_UNIT", 2)
    monkeypatch.setattr(event_files, "EVENTS_PER_FILE", 4)


def without_versions(module: Any) -> Callable[..., dict[str, Any]]:
    """Describe a simulation without asking which generators are installed."""
    if module is jet_files:
        return lambda counts, seed, made, options: {"jets": dict(counts), "seed": seed, "events_generated": dict(made)}
    return lambda counts, found, seed, pileup, process: {
        "events": dict(counts), "elements": dict(found), "seed": seed, "pileup_mean": pileup, "process": dict(process)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("simulate", "size", "divisions"), [(jet_files.simulate, 41, (1, 3)), (event_files.simulate, 50, (1, 2, 3, 7))]
)
def test_joined_files_are_those_of_a_single_run(
    simulate: Any, size: int, divisions: tuple[int, ...], tmp_path: Path
) -> None:
    single = simulate(tmp_path / "single", size=size, seed=3)
    whole = {path.name: path.read_bytes() for path in (tmp_path / "single").iterdir()}
    for of in divisions:
        folders = [tmp_path / str(of) / str(number) for number in range(of)]
        files = [simulate(folder, size=size, seed=3, part=Part(number, of)) for number, folder in enumerate(folders, 1)]
        names = [path.name for made in files for paths in made.values() for path in paths]
        assert set(names) == {path.name for paths in single.values() for path in paths}
        (joined := tmp_path / str(of) / "whole").mkdir()
        joining.join_files(folders, joined)
        assert {path.name: path.read_bytes() for path in joined.iterdir()} == whole, of


def test_parts_have_shares_of_the_work(tmp_path: Path) -> None:
    made = []
    for number in (1, 2, 3):
        jet_files.simulate(folder := tmp_path / str(number), size=50, seed=3, part=Part(number, 3))
        made.append(sum(read_json(folder / joining.DESCRIPTION)["jets"].values()))
    assert sum(made) == 50
    assert max(made) - min(made) <= 5  # one unit


def test_more_parts_than_there_are_units_are_empty(tmp_path: Path) -> None:
    files = event_files.simulate(tmp_path / "part", size=10, seed=1, part=Part(1, 40))
    assert files == {"train": [], "val": [], "test": []}
    assert [path.name for path in (tmp_path / "part").iterdir()] == [joining.DESCRIPTION]


def test_two_files_of_one_name_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    for number in (1, 2):
        (folder := tmp_path / str(number)).mkdir()
        (folder / "train.root").write_bytes(b"root")
    with pytest.raises(DataError, match=r"train\.root: several parts have one, and only tables of jets can be joined"):
        joining.join_files([tmp_path / "1", tmp_path / "2"], tmp_path)
