"""Stores that are made in parts and joined are those that one run makes, to the byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fair_hep.bundle.columns import Columns
from fair_hep.bundle.errors import DataError
from fair_hep.bundle.parts import Part
from fair_hep.data import column_reader
from fair_hep.data.delphes import Event, write_events
from fair_hep.data.joining import join_stores, joined_counts, rows_of_part
from fair_hep.data.store import Store
from fair_hep.data.toptag import CONSTITUENTS, Block, read_blocks, write_table
from fair_hep.jets import reader as jets_reader
from fair_hep.models.specs import particle_set
from fair_hep.particleflow import reader as events_reader

Convert = Callable[..., Mapping[str, Any]]
NAMES = ("E", "px", "py", "pz")


@settings(max_examples=100, derandomize=True)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 12))
def test_every_row_belongs_to_one_part(lengths: list[int], of: int) -> None:
    shares = [rows_of_part(lengths, Part(number, of)) for number in range(1, of + 1)]
    for number, length in enumerate(lengths):
        assert [row for share in shares for row in share[number]] == list(range(length))
    assert [len(rows) for rows in rows_of_part(lengths, None)] == lengths


def momenta(rows: int, seed: int) -> np.ndarray:
    """Return jets ``[rows, 6, 4]`` of 0 to 6 constituents, not sorted."""
    draw = np.random.default_rng(seed)
    found = draw.normal(0, 20, (rows, 6, 4)).astype(np.float32)
    found[..., 0] = np.linalg.norm(found[..., 1:], axis=-1) + 1
    return found * (np.arange(6) < draw.integers(0, 7, rows)[:, None])[..., None]


def columns_npz(folder: Path) -> tuple[Convert, list[Path]]:
    files = []
    for number, rows in enumerate((7, 1, 12)):
        (place := folder / str(number)).mkdir()
        files.append(place / "train.npz")  # all of one name, as in a record with folders
        np.savez(files[-1], X=momenta(rows, number), label=np.arange(rows) % 2)
    columns = Columns(elements={name: f"X[{place}]" for place, name in enumerate(NAMES)})
    reader = column_reader.Reader(particle_set(), columns, ("QCD", "top"))

    def convert(*given: Any, **more: Any) -> Mapping[str, Any]:
        return column_reader.convert(reader, *given, chunk=4, **more)

    return convert, files


def tables(folder: Path) -> tuple[Convert, list[Path]]:
    files = [folder / "a.h5", folder / "b.h5"]
    for seed, path in enumerate(files):
        particles = np.zeros((9, CONSTITUENTS, 4), np.float32)
        particles[:, :6] = momenta(9, seed)
        origin = np.ones((9, CONSTITUENTS), np.int8) if seed else None
        write_table(path, [Block(particles, np.zeros((9, 4), np.float32), np.arange(9) % 2, 0, origin)])
    return (lambda *given, **more: jets_reader.convert(*given, max_constituents=3, chunk=4, **more)), files


def events(folder: Path) -> tuple[Convert, list[Path]]:
    files, draw = [], np.random.default_rng(2)
    for number in range(5):
        some = []
        for count in draw.integers(0, 5, 3):
            elements, particles = np.zeros((count, 12)), np.zeros((count, 7))
            elements[:, 0], elements[:, 4], elements[:, [1, 5]] = draw.integers(1, 3, count), 1.0, 5.0
            particles[:, 0] = draw.integers(0, 6, count)
            some.append(Event(elements, particles, particles))
        write_events(path := folder / f"train_{number}.pkl.bz2", some)
        files.append(path)
    return events_reader.convert, files


@pytest.mark.parametrize(
    ("make", "divisions"), [(columns_npz, (1, 2, 3, 7, 25)), (tables, (1, 3)), (events, (1, 2, 3, 7))]
)
def test_joined_stores_are_those_of_a_single_run(
    make: Callable[[Path], tuple[Convert, list[Path]]], divisions: tuple[int, ...], tmp_path: Path
) -> None:
    convert, files = make(tmp_path)
    counts = convert(files, single := tmp_path / "single")
    for of in divisions:
        parts = [tmp_path / str(of) / str(number) for number in range(of)]
        found = [convert(files, folder, part=Part(number, of)) for number, folder in enumerate(parts, 1)]
        join_stores([folder for folder in parts if folder.is_dir()], whole := tmp_path / str(of) / "whole")
        assert joined_counts(found) == counts
        names = sorted(path.name for path in single.iterdir())
        assert sorted(path.name for path in whole.iterdir()) == names
        for name in names:
            assert (whole / name).read_bytes() == (single / name).read_bytes(), (of, name)


def test_a_part_that_was_changed_isnt_joined(tmp_path: Path) -> None:
    convert, files = columns_npz(tmp_path)
    for number in (1, 2):
        convert(files, tmp_path / f"part{number}", part=Part(number, 2))
    values = np.load(tmp_path / "part2" / "label.npy", mmap_mode="r+")
    values[0] ^= 1
    values.flush()
    with pytest.raises(DataError, match=r"label\.npy: changed since it was made"):
        join_stores([tmp_path / "part1", tmp_path / "part2"], tmp_path / "whole")
    assert not (tmp_path / "whole").exists()


def test_a_part_of_a_large_file_reads_its_own_rows_only(tmp_path: Path) -> None:
    """A number that no jet can have is met by the part that it lies in."""
    _, (path, _) = tables(tmp_path)
    (block,) = read_blocks(path, 100)
    block.particles[7, 0, 0] = np.nan
    write_table(path, [block])
    jets_reader.convert([path], tmp_path / "first", part=Part(1, 2))
    assert len(Store(tmp_path / "first")) == 4
    with pytest.raises(DataError, match=r"a\.h5: row 7, column E_0: got nan"):
        jets_reader.convert([path], tmp_path / "second", part=Part(2, 2))
    assert not (tmp_path / "second").exists()
