"""Read jets from files of the reference set's layout, and convert them into a memory-mapped store.

Files are read in chunks, so memory doesn't grow with their size. Everything that training must be able to trust is
checked here, once: columns, finite numbers, energies, labels.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...data.parallel import cores, in_processes
from ...data.store import Ragged, write_store
from ...errors import DataError
from .table import KEY, LABEL, momentum_columns

__all__ = ["Chunk", "JetTable", "convert", "open_table"]

_NODE = f"/{KEY}/table"
# What numpy's own scalars and arrays need to be unpickled: no more is allowed in a file from a stranger.
_HARMLESS = {"scalar", "_reconstruct", "dtype", "ndarray", "encode"}
_HARMLESS_MODULES = {"numpy", "numpy.core.multiarray", "numpy._core.multiarray", "_codecs"}
_MOMENTUM = re.compile("(?:E|PX|PY|PZ)_([0-9]{1,6})")
# Files of so few chunks are read faster by this process than others start.
_FEW = 6
# Sorted in double precision and stored in single, neighbours may seem swapped by so much.
_TOLERANCE = 1e-5


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
    """

    particles: Ragged
    axis: np.ndarray
    label: np.ndarray
    resorted: int


def convert(
    files: Sequence[Path], folder: Path, *, max_constituents: int = 128, chunk: int = 8192, processes: int = 0
) -> dict[str, Any]:
    """Convert the files of one split into a store: ``particles`` (ragged), ``axis`` and ``label``.

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
    with write_store(folder, source) as writer:
        for path in files:
            with open_table(path) as table:
                table.require_labels()
                jets = table.jets
            source["files"].append({"name": path.name, "jets": jets})
            ranges = [_Range(path, start, min(start + chunk, jets)) for start in range(0, jets, chunk)]
            with (
                _parts(ranges, processes) as parts,
                tqdm(total=jets, unit="jet", desc=f"convert {path.name}", file=sys.stderr, disable=None) as bar,
            ):
                for part in parts:
                    writer.append(particles=part.particles, axis=part.axis, label=part.label)
                    _count(part, counts, above)
                    bar.update(len(part.label))
    return {**counts, "above_maximum": above}


@dataclass(frozen=True)
class _Range:
    path: Path
    start: int
    stop: int


@contextlib.contextmanager
def _parts(ranges: Sequence[_Range], processes: int) -> Iterator[Iterator[Chunk]]:
    """Give the chunks of a file in order."""
    workers = min(processes or (min(cores(), 4) if len(ranges) > _FEW else 1), len(ranges))
    if workers == 1:
        yield map(_read_range, ranges)
        return
    with in_processes(_read_range, ranges, workers) as parts:
        yield parts


def _read_range(part: _Range) -> Chunk:
    with open_table(part.path) as table:
        return table.chunk(part.start, part.stop)


def _count(part: Chunk, counts: dict[str, int], above: dict[str, int]) -> None:
    lengths, tops = part.particles.counts(), int(np.sum(part.label))
    counts["jets"] += len(lengths)
    counts["top"] += tops
    counts["qcd"] += len(lengths) - tops
    counts["constituents"] += int(lengths.sum())
    counts["longest"] = max(counts["longest"], int(lengths.max()))
    counts["without_constituents"] += int((lengths == 0).sum())
    counts["resorted"] += part.resorted
    if above["maximum"]:
        extra = np.maximum(lengths - above["maximum"], 0)
        above["jets"] += int((extra > 0).sum())
        above["constituents"] += int(extra.sum())


class JetTable:
    """One open file. Made by `open_table`."""

    def __init__(self, name: str, table: Any, places: dict[str, tuple[str, int | None]]) -> None:
        self.name = name
        self.jets = int(table.nrows)
        self._table = table
        self._places = places
        numbers = [int(match[1]) for match in map(_MOMENTUM.fullmatch, places) if match]
        # A file can't have more constituents than columns, whatever a column's name says.
        self._columns = momentum_columns(1 + min(max(numbers, default=0), len(places)))
        self._require(self._columns)
        if self.jets == 0:
            raise DataError(f"{name}: got 0 jets, expected at least 1")

    def chunks(self, size: int, *, labels: bool = True) -> Iterator[Chunk]:
        """Read all jets in order, ``size`` at a time; the last chunk may be smaller. See `chunk`."""
        for start in range(0, self.jets, size):
            yield self.chunk(start, min(start + size, self.jets), labels=labels)

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
        return self._chunk(self._read(start, stop), start, labels)

    def require_labels(self) -> None:
        """Make sure that there is a column of labels.

        Raises
        ------
        DataError
            If there is none.
        """
        self._require([LABEL])

    def _require(self, wanted: Sequence[str]) -> None:
        missing = [column for column in wanted if column not in self._places]
        if missing:
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            raise DataError(f"{self.name}: missing columns {shown}; expected E_0, PX_0, PY_0, PZ_0, ... and {LABEL}")

    def _read(self, start: int, stop: int) -> np.ndarray:
        import tables

        try:
            rows: np.ndarray = self._table.read(start, stop)
        except (tables.HDF5ExtError, OSError) as error:
            raise DataError(f"{self.name}: rows {start} to {stop - 1} can't be read, the file is damaged") from error
        return rows

    def _chunk(self, rows: np.ndarray, start: int, labels: bool) -> Chunk:
        momenta = self._momenta(rows)
        self._check(~np.isfinite(momenta), momenta, start, "a finite number")
        particles = momenta.reshape(len(rows), -1, 4)
        energy, px, py, pz = (particles[..., i] for i in range(4))
        self._check_particles(energy < 0, particles, start, "an energy of 0 or more")
        real = energy > 0
        stray = ~real & ((px != 0) | (py != 0) | (pz != 0))
        self._check_particles(stray, particles, start, "an energy above 0 where there is a momentum")
        axis = particles.sum(1, dtype=np.float64).astype(np.float32)
        ragged, resorted = _sorted(Ragged.from_counts(particles[real], real.sum(1)))
        return Chunk(ragged, axis, self._labels(rows, start) if labels else np.full(len(rows), -1, np.int8), resorted)

    def _momenta(self, rows: np.ndarray) -> np.ndarray:
        """Return ``[jets, 4 * constituents]`` float32."""
        field, _ = self._places[self._columns[0]]
        if [self._places[column] for column in self._columns] == [(field, i) for i in range(len(self._columns))]:
            return np.asarray(rows[field][:, : len(self._columns)], np.float32)
        return np.stack([self._column(rows, column) for column in self._columns], 1).astype(np.float32)

    def _column(self, rows: np.ndarray, column: str) -> np.ndarray:
        field, position = self._places[column]
        values: np.ndarray = rows[field] if position is None else rows[field][:, position]
        return values

    def _labels(self, rows: np.ndarray, start: int) -> np.ndarray:
        values = self._column(rows, LABEL)
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


def _sorted(particles: Ragged) -> tuple[Ragged, int]:
    """Sort the constituents of every jet by falling pT; return them and the number of jets that weren't sorted."""
    pt = np.hypot(particles.values[:, 1], particles.values[:, 2])
    jet = np.repeat(np.arange(len(particles)), particles.counts())
    rising = (pt[1:] > pt[:-1] * (1 + _TOLERANCE)) & (jet[1:] == jet[:-1])
    if not rising.any():
        return particles, 0
    order = np.lexsort((-pt, jet))
    return Ragged(particles.values[order], particles.offsets), len(np.unique(jet[1:][rising]))


@contextlib.contextmanager
def open_table(path: Path) -> Iterator[JetTable]:
    """Open a file of the reference set's layout, checked as far as that goes without reading its rows.

    Raises
    ------
    DataError
        If it is missing, no HDF5 file, cut short, without the table or its columns, or empty; or if it asks for
        Python code to be run (HDF5 files from pandas hold pickles).
    """
    import tables

    names = _block_names(path)
    try:
        file = tables.open_file(path, "r")
    except (OSError, tables.HDF5ExtError) as error:
        raise DataError(f"{path.name}: PyTables can't open it: {' '.join(str(error).split())[-200:]}") from error
    with file:
        try:
            table = file.get_node(_NODE, classname="Table")
        except tables.NoSuchNodeError as error:
            raise DataError(f"{path.name}: {_NODE} is no table of rows, expected one as pandas writes it") from error
        yield JetTable(path.name, table, _places(path.name, table.dtype, names))


def _places(name: str, dtype: np.dtype, names: dict[str, list[str]]) -> dict[str, tuple[str, int | None]]:
    """Return for every column its field in a row, and its position there if the field holds several."""
    places: dict[str, tuple[str, int | None]] = {}
    for field in dtype.names or ():
        shape = dtype[field].shape
        if not shape:
            places[field] = (field, None)
        elif len(names.get(field, [])) == shape[0]:
            places.update({column: (field, position) for position, column in enumerate(names[field])})
        else:
            raise DataError(f"{name}: {field} holds {shape[0]} columns, but not their names; expected pandas' layout")
    return places


def _block_names(path: Path) -> dict[str, list[str]]:
    """Return the column names of every block of columns, after making sure that no attribute runs code when read."""
    import h5py

    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if not h5py.is_hdf5(path):
        raise DataError(f"{path.name}: not an HDF5 file")
    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get(_NODE), h5py.Dataset):
                raise DataError(f"{path.name}: no table {_NODE}; it holds {sorted(file) or 'nothing'}")
            nodes = [file, file[KEY], file[_NODE]]
            values = {name: _plain(path.name, name, node.attrs[name]) for node in nodes for name in node.attrs}
    except OSError as error:
        raise DataError(f"{path.name}: damaged or cut short: fetch it again ({_reason(error)})") from error
    suffix = "_kind"
    return {
        name.removesuffix(suffix): [str(column) for column in value]
        for name, value in values.items()
        if name.endswith(suffix) and isinstance(value, list)
    }


def _plain(file: str, name: str, value: Any) -> Any:
    """Return an attribute's value; unpickle it if PyTables would, but nothing except plain values."""
    if not isinstance(value, bytes) or not value.endswith(b"."):
        return value
    try:
        return _PlainUnpickler(io.BytesIO(value), encoding="latin1").load()
    except _ForbiddenError as error:
        raise DataError(f"{file}: attribute {name} asks to run {error}; refused: don't use this file") from error
    except Exception:  # Bytes that merely end with a full stop: unpickling them may raise anything.
        return value


class _ForbiddenError(Exception):
    """A pickle that wants more than plain values."""


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in _HARMLESS_MODULES and name in _HARMLESS:
            return super().find_class(module, name)
        raise _ForbiddenError(f"{module}.{name}")


def _reason(error: OSError) -> str:
    return " ".join(str(error).split())
