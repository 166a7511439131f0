"""Read events from files of the MLPF data set, and convert them into a memory-mapped store.

Everything that training must be able to trust is checked here, once: shapes, finite numbers, types of elements, kinds
of particles. A file is read as a whole (100 MB for the data set's 100 events); memory doesn't grow with their number.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.cores import cores
from ..bundle.errors import DataError
from ..bundle.parts import Part
from ..bundle.strict import validate
from ..data.delphes import CAND, ELEMENT_WIDTH, GEN, PARTICLE_WIDTH, SUFFIXES, TOWER, TRACK, X
from ..data.parallel import in_processes
from ..data.pickles import load_arrays
from ..data.store import Ragged, write_store
from .options import DataOptions

__all__ = ["File", "convert", "read_elements", "read_file"]

_KINDS = range(6)
# A file is read by this process unless there are so many bytes that starting others is worth it.
_LARGE = 8 * 2**20
# Single precision reaches no further.
_LARGEST = 1e30
_POSITIVE = {1: "pT or ET", 5: "p or E"}
_UNIT = 0.01


@dataclass(frozen=True)
class File:
    """The events of a file, float32.

    Parameters
    ----------
    elements
        Tracks and towers of every event, 12 columns.
    gen, cand
        Generated particles and rule-based candidates of every event, 7 columns, row by row those of the elements.
    """

    elements: Ragged
    gen: Ragged
    cand: Ragged


def convert(
    files: Sequence[Path], folder: Path, *, processes: int = 0, part: Part | None = None, **options: Any
) -> dict[str, Any]:
    """Convert the files of one split into a store: ``elements``, ``gen`` and ``cand``, all ragged.

    Every event is kept whole, also an empty one.

    Parameters
    ----------
    files
        Files of the data set, one after the other.
    folder
        Folder of the store; it is replaced in one step.
    processes
        Processes that read; 0: one for small files, else one per core and at most 4, as each holds some files.
    part
        A share of the files, as each is read as a whole; where it has none, there is no store. None: all.
    options
        Values of `DataOptions`: they choose among what the store holds, and are only checked here.

    Returns
    -------
    counts
        What was found, as JSON values.

    Raises
    ------
    ConfigError
        If an option isn't known or out of range.
    DataError
        If a file isn't of that layout, is cut short, asks for code to be run, or holds what no event can have; the
        message names event, row and column.
    """
    from tqdm import tqdm

    validate(DataOptions, options, "data.options")
    if not files:
        raise DataError(f"{folder.name}: got no files to convert, expected at least one")
    counts = {"events": 0, "elements": 0, "tracks": 0, "towers": 0, "longest": 0}
    kinds = np.zeros(len(_KINDS), np.int64)
    source: dict[str, Any] = {"files": [], "counts": counts}
    files = files if part is None else [files[number] for number in part.share(len(files))]
    if not files:
        return {**counts, "targets": kinds.tolist()}
    with (
        write_store(folder, source) as writer,
        _contents(files, processes) as contents,
        tqdm(total=len(files), unit="file", desc=f"convert {folder.name}", file=sys.stderr, disable=None) as bar,
    ):
        for path, content in zip(files, contents, strict=True):
            writer.append(elements=content.elements, gen=content.gen, cand=content.cand)
            source["files"].append({"name": path.name, "events": len(content.elements)})
            _count(content, counts)
            kinds += np.bincount(content.gen.values[:, 0].astype(np.int64), minlength=len(_KINDS))
            bar.update()
    return {**counts, "targets": kinds.tolist()}


@contextlib.contextmanager
def _contents(files: Sequence[Path], processes: int) -> Iterator[Iterator[File]]:
    """Give the contents of files in order."""
    for path in files:
        _check_name(path)
    large = sum(path.stat().st_size for path in files) > _LARGE
    workers = min(processes or (min(cores(), 4) if large else 1), len(files))
    if workers == 1:
        yield map(read_file, files)
        return
    with in_processes(read_file, files, workers) as contents:
        yield contents


def _count(content: File, counts: dict[str, int]) -> None:
    lengths = content.elements.counts()
    tracks = int((content.elements.values[:, 0] == TRACK).sum())
    counts["events"] += len(lengths)
    counts["elements"] += int(lengths.sum())
    counts["tracks"] += tracks
    counts["towers"] += int(lengths.sum()) - tracks
    counts["longest"] = max(counts["longest"], int(lengths.max(initial=0)))


def read_file(path: Path) -> File:
    """Read a file with its targets.

    Raises
    ------
    DataError
        As `convert`.
    """
    content = _load(path, (X, GEN, CAND))
    elements = _elements(path.name, content[X])
    gen, cand = (_particles(path.name, name, content[name], content[X]) for name in (GEN, CAND))
    return File(elements, gen, cand)


def read_elements(path: Path, size: int) -> Iterator[list[np.ndarray]]:
    """Read the elements of events from a file, ``size`` events at a time; targets needn't be there.

    Gives for every event ``[n, 12]`` float32.

    Raises
    ------
    DataError
        As `convert`.
    """
    events = _elements(path.name, _load(path, (X,))[X])
    for start in range(0, len(events), size):
        yield [events[number] for number in range(start, min(start + size, len(events)))]


def _load(path: Path, wanted: Sequence[str]) -> Mapping[str, list[np.ndarray]]:
    """Return lists of events by name, all equally long."""
    _check_name(path)
    content = load_arrays(path)
    if not isinstance(content, dict):
        raise DataError(f"{path.name}: got a {type(content).__name__}, expected a dict of {X}, {GEN} and {CAND}")
    missing = [name for name in wanted if name not in content]
    if missing:
        shown = ", ".join(sorted(str(name) for name in content)) or "nothing"
        raise DataError(f"{path.name}: {missing[0]} is missing, found {shown}; expected a file of the MLPF data set")
    for name in wanted:
        if not isinstance(content[name], list) or not all(isinstance(event, np.ndarray) for event in content[name]):
            raise DataError(f"{path.name}: {name} is no list of arrays, one for each event")
    lengths = {name: len(content[name]) for name in wanted}
    if len(set(lengths.values())) != 1:
        shown = ", ".join(f"{count} of {name}" for name, count in lengths.items())
        raise DataError(f"{path.name}: got {shown}, expected the same number of events")
    if not lengths[X]:
        raise DataError(f"{path.name}: got 0 events, expected at least 1")
    return content


def _check_name(path: Path) -> None:
    if not path.name.lower().endswith(SUFFIXES):
        raise DataError(f"{path.name}: got suffix {path.suffix!r}, expected one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")


def _elements(file: str, events: Sequence[np.ndarray]) -> Ragged:
    """Check elements and join them."""
    rows = _joined(file, X, events, ELEMENT_WIDTH)
    kind = rows.values[:, 0]
    where = f"{file}: {X}"
    _check(where, rows, 0, (kind != TOWER) & (kind != TRACK), f"{TOWER} (tower) or {TRACK} (track)")
    for column, meaning in _POSITIVE.items():
        _check(where, rows, column, rows.values[:, column] < 0, f"{meaning} of 0 GeV or more")
    length = np.hypot(rows.values[:, 3], rows.values[:, 4])
    _check(where, rows, 3, np.abs(length - 1) > _UNIT, "sin phi that fits cos phi beside it")
    return rows


def _particles(file: str, name: str, events: Sequence[np.ndarray], elements: Sequence[np.ndarray]) -> Ragged:
    """Check particles and join them."""
    for number, (particles, those) in enumerate(zip(events, elements, strict=True)):
        if len(particles) != len(those):
            place = f"{file}: {name}, event {number}"
            raise DataError(f"{place}: got {len(particles)} rows for {len(those)} elements, expected one for each")
    rows = _joined(file, name, events, PARTICLE_WIDTH)
    _check(f"{file}: {name}", rows, 0, ~np.isin(rows.values[:, 0], _KINDS), "a pid from 0 to 5")
    return rows


def _joined(file: str, name: str, events: Sequence[np.ndarray], width: int) -> Ragged:
    """Join events of so many columns, as float32."""
    for number, event in enumerate(events):
        if event.ndim != 2 or event.shape[1] != width:
            raise DataError(f"{file}: {name}, event {number}: got shape {event.shape}, expected (elements, {width})")
    values = np.empty((sum(map(len, events)), width), np.float32)
    rows = Ragged.from_counts(values, np.array([len(event) for event in events]))
    for number, event in enumerate(events):
        wrong = ~(np.abs(event) < _LARGEST)  # True for NaN
        if wrong.any():
            row, column = (int(place) for place in np.unravel_index(wrong.argmax(), wrong.shape))
            place = f"{file}: {name}, event {number}, row {row}, column {column}"
            raise DataError(f"{place}: got {event[row, column]}, expected a finite number")
        values[rows.offsets[number] : rows.offsets[number + 1]] = event
    return rows


def _check(where: str, rows: Ragged, column: int, wrong: np.ndarray, expected: str) -> None:
    if not wrong.any():
        return
    position = int(wrong.argmax())
    event = int(np.searchsorted(rows.offsets, position, side="right")) - 1
    place = f"{where}, event {event}, row {position - rows.offsets[event]}, column {column}"
    raise DataError(f"{place}: got {rows.values[position, column]:g}, expected {expected}")
