"""Read jets from files of the reference set's layout, and convert them into a memory-mapped store.

Files are read in chunks, so memory doesn't grow with their size. Everything that training must be able to trust is
checked here, once: columns, finite numbers, energies, labels.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.cores import cores
from ..bundle.errors import DataError
from ..bundle.parts import Part
from ..data.frames import Frame, open_frame
from ..data.joining import rows_of_part
from ..data.parallel import in_processes
from ..data.ragged import Ragged, falling
from ..data.store import write_store
from ..data.toptag import KEY, LABEL, ORIGINS, momentum_columns, origin_columns

__all__ = ["Chunk", "JetTable", "convert", "open_table"]

_MOMENTUM = re.compile("(?:E|PX|PY|PZ)_([0-9]{1,6})")
_ORIGIN = re.compile("ORIGIN_([0-9]{1,6})")
# Files of so few chunks are read faster by this process than others start.
_FEW = 6


@dataclass(frozen=True)
class Chunk:
    """Some consecutive jets of a file.

    Parameters
    ----------
    particles
        Real constituents (E > 0) of every jet, sorted by falling pT: E, px, py, pz in GeV, float32.
    axis
        Sum of all constituents ``[jets, 4]`` float32.
    label
        ``[jets]`` int8, 1 for top and 0 for QCD; -1 where it wasn't asked for.
    resorted
        Number of jets whose constituents weren't sorted.
    origin
        Where every constituent comes from: one column int8, of `ORIGINS`; None if the file doesn't say.
    """

    particles: Ragged
    axis: np.ndarray
    label: np.ndarray
    resorted: int
    origin: Ragged | None = None


def convert(
    files: Sequence[Path],
    folder: Path,
    *,
    max_constituents: int = 128,
    chunk: int = 8192,
    processes: int = 0,
    part: Part | None = None,
) -> dict[str, Any]:
    """Convert the files of one split into a store: ``particles`` (ragged), ``axis`` and ``label``.

    If every file says where its constituents come from, the store has ``origin`` (ragged) too.

    Every jet is kept, also one with few constituents or none, and every constituent: loaders cut, the store doesn't.

    Parameters
    ----------
    files
        Files in the reference set's layout, one after the other.
    folder
        Folder of the store; it is replaced in one step.
    max_constituents
        Jets with more constituents than a loader will keep are counted; 0: no limit.
    chunk
        Jets that a process holds in memory at a time.
    processes
        Processes that read; 0: one for a small file, else one per core and at most 4, as more need too much memory.
    part
        A share of the jets of all files; where it has none, there is no store. None: all.

    Returns
    -------
    counts
        What was found, as JSON values.

    Raises
    ------
    DataError
        If a file isn't of that layout, is cut short, or holds what no jet can have; the message names row and column.
    """
    from tqdm import tqdm

    counts = {"jets": 0, "top": 0, "qcd": 0, "constituents": 0, "longest": 0, "without_constituents": 0, "resorted": 0}
    above = {"maximum": max_constituents, "jets": 0, "constituents": 0}
    source: dict[str, Any] = {"files": [], "counts": counts, "above_maximum": above}
    if not files:
        raise DataError(f"{folder.name}: got no files to convert, expected at least one")
    seen = [_look(path) for path in files]
    origins = all(found for _, found in seen)
    wanted = rows_of_part([jets for jets, _ in seen], part)
    source["files"] = [{"name": path.name, "jets": len(rows)} for path, rows in zip(files, wanted, strict=True)]
    if not any(map(len, wanted)):
        return {**counts, "above_maximum": above}
    with write_store(folder, source) as writer:
        for path, rows in zip(files, wanted, strict=True):
            ranges = [_Range(path, start, min(start + chunk, rows.stop)) for start in rows[::chunk]]
            with (
                _chunks(ranges, processes) as chunks,
                tqdm(total=len(rows), unit="jet", desc=f"convert {path.name}", file=sys.stderr, disable=None) as bar,
            ):
                for jets in chunks:
                    more = {"origin": jets.origin} if origins and jets.origin is not None else {}
                    writer.append(particles=jets.particles, axis=jets.axis, label=jets.label, **more)
                    _count(jets, counts, above)
                    bar.update(len(jets.label))
    return {**counts, "above_maximum": above}


@dataclass(frozen=True)
class _Range:
    path: Path
    start: int
    stop: int


@contextlib.contextmanager
def _chunks(ranges: Sequence[_Range], processes: int) -> Iterator[Iterator[Chunk]]:
    """Give the chunks of a file in order."""
    workers = min(processes or (min(cores(), 4) if len(ranges) > _FEW else 1), len(ranges))
    if workers <= 1:
        yield map(_read_range, ranges)
        return
    with in_processes(_read_range, ranges, workers) as chunks:
        yield chunks


def _look(path: Path) -> tuple[int, bool]:
    """Return how many jets a file has, which must have labels, and whether it says where constituents come from."""
    with open_table(path) as table:
        table.require_labels()
        return table.jets, table.origins


def _read_range(part: _Range) -> Chunk:
    with open_table(part.path) as table:
        return table.chunk(part.start, part.stop)


def _count(jets: Chunk, counts: dict[str, int], above: dict[str, int]) -> None:
    lengths, tops = jets.particles.counts(), int(np.sum(jets.label))
    counts["jets"] += len(lengths)
    counts["top"] += tops
    counts["qcd"] += len(lengths) - tops
    counts["constituents"] += int(lengths.sum())
    counts["longest"] = max(counts["longest"], int(lengths.max()))
    counts["without_constituents"] += int((lengths == 0).sum())
    counts["resorted"] += jets.resorted
    if above["maximum"]:
        extra = np.maximum(lengths - above["maximum"], 0)
        above["jets"] += int((extra > 0).sum())
        above["constituents"] += int(extra.sum())


class JetTable:
    """One open file. Made by `open_table`.

    Attributes
    ----------
    name
        Name of the file, for messages.
    jets
        Number of jets.
    origins
        Whether the file says where constituents come from.
    """

    def __init__(self, frame: Frame) -> None:
        self.name = frame.name
        self.jets = frame.rows
        self._frame = frame
        numbers = [int(match[1]) for match in map(_MOMENTUM.fullmatch, frame.columns) if match]
        # A file can't have more constituents than columns, whatever a column's name says.
        self._columns = momentum_columns(1 + min(max(numbers, default=0), len(frame.columns)))
        self._require(self._columns)
        self.origins = any(map(_ORIGIN.fullmatch, frame.columns))
        self._origins = origin_columns(len(self._columns) // 4) if self.origins else []
        self._require(self._origins)
        if self.jets == 0:
            raise DataError(f"{self.name}: got 0 jets, expected at least 1")

    def chunks(self, size: int, *, labels: bool = True, start: int = 0) -> Iterator[Chunk]:
        """Read all jets from a row on in order, ``size`` at a time; the last chunk may be smaller. See `chunk`."""
        for first in range(start, self.jets, size):
            yield self.chunk(first, min(first + size, self.jets), labels=labels)

    def chunk(self, start: int, stop: int, *, labels: bool = True) -> Chunk:
        """Read the jets from ``start`` to ``stop - 1``.

        Parameters
        ----------
        start, stop
            Rows of the file, from 0.
        labels
            Whether labels must be there; otherwise they are neither wanted nor read.

        Raises
        ------
        DataError
            If a number is wrong; the message names row and column.
        """
        if labels:
            self.require_labels()
        return self._chunk(self._frame.read(start, stop), start, labels)

    def require_labels(self) -> None:
        """Make sure that there is a column of labels.

        Raises
        ------
        DataError
            If there is none.
        """
        self._require([LABEL])

    def _require(self, wanted: Sequence[str]) -> None:
        present = set(self._frame.columns)
        missing = [column for column in wanted if column not in present]
        if missing:
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            raise DataError(f"{self.name}: missing columns {shown}; expected E_0, PX_0, PY_0, PZ_0, ... and {LABEL}")

    def _chunk(self, rows: np.ndarray, start: int, labels: bool) -> Chunk:
        momenta = np.asarray(self._frame.matrix(rows, self._columns), np.float32)
        self._check(~np.isfinite(momenta), momenta, start, "a finite number")
        particles = momenta.reshape(len(rows), -1, 4)
        energy, px, py, pz = (particles[..., i] for i in range(4))
        self._check_particles(energy < 0, particles, start, "an energy of 0 or more")
        real = energy > 0
        stray = ~real & ((px != 0) | (py != 0) | (pz != 0))
        self._check_particles(stray, particles, start, "an energy above 0 where there is a momentum")
        axis = particles.sum(1, dtype=np.float64).astype(np.float32)
        label = self._labels(rows, start) if labels else np.full(len(rows), -1, np.int8)
        columns = [particles[real]]
        if self.origins:
            columns.append(self._origin(rows, real, start)[real][:, None])
        # Small whole numbers are exact in single precision: origins are sorted along with their constituents.
        found = Ragged.from_counts(np.concatenate(columns, 1, dtype=np.float32), real.sum(1))
        ragged, resorted = falling(found, np.hypot(found.values[:, 1], found.values[:, 2]))
        origin = Ragged(ragged.values[:, 4:].astype(np.int8), ragged.offsets) if self.origins else None
        momenta = np.ascontiguousarray(ragged.values[:, :4])
        return Chunk(Ragged(momenta, ragged.offsets), axis, label, resorted, origin)

    def _origin(self, rows: np.ndarray, real: np.ndarray, start: int) -> np.ndarray:
        """Return origins ``[jets, constituents]``, 0 where there is no constituent."""
        values = self._frame.matrix(rows, self._origins)
        wrong = real & ~np.isin(values, list(ORIGINS.values()))
        if wrong.any():
            row, column = (int(i) for i in np.unravel_index(wrong.argmax(), wrong.shape))
            place = f"row {start + row}, column {self._origins[column]}"
            expected = ", ".join(f"{code} ({name})" for name, code in ORIGINS.items())
            raise DataError(f"{self.name}: {place}: got {values[row, column]}, expected one of {expected}")
        return np.where(real, values, 0)

    def _labels(self, rows: np.ndarray, start: int) -> np.ndarray:
        values = self._frame.column(rows, LABEL)
        wrong = (values != 0) & (values != 1)
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(f"{self.name}: row {start + row}, column {LABEL}: got {values[row]}, expected 0 or 1")
        return values.astype(np.int8)

    def _check_particles(self, wrong: np.ndarray, particles: np.ndarray, start: int, expected: str) -> None:
        if wrong.any():
            columns = np.zeros(particles.shape, bool)
            columns[..., 0] = wrong
            self._check(columns.reshape(len(wrong), -1), particles.reshape(len(wrong), -1), start, expected)

    def _check(self, wrong: np.ndarray, values: np.ndarray, start: int, expected: str) -> None:
        if wrong.any():
            row, column = (int(i) for i in np.unravel_index(wrong.argmax(), wrong.shape))
            place = f"row {start + row}, column {self._columns[column]}"
            raise DataError(f"{self.name}: {place}: got {values[row, column]}, expected {expected}")


@contextlib.contextmanager
def open_table(path: Path) -> Iterator[JetTable]:
    """Open a file of the reference set's layout, checked as far as that goes without reading its rows.

    Raises
    ------
    DataError
        If it is missing, no HDF5 file, cut short, without the table or its columns, or empty; or if it asks for
        Python code to be run.
    """
    with open_frame(path, KEY) as frame:
        yield JetTable(frame)
