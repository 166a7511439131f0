"""Files of columns, turned into a store by a map that says which column is what.

The map is `Columns`; ROOT, Parquet, HDF5 and .npz files are opened by `columnar`. Files are read in chunks, so memory
doesn't grow with their size. Everything that training must be able to trust is checked here, once: columns, lengths,
finite numbers, energies, labels.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.errors import ConfigError, DataError
from ..bundle.quantities import ENERGIES, derive, needed
from .columnar import SUFFIXES, Column, Lists, Source, open_columns
from .columns import Columns
from .labels import labels_of
from .ragged import Ragged, falling
from .store import write_store

if TYPE_CHECKING:
    from ..bundle import TensorSpec

__all__ = ["SUFFIXES", "Reader", "convert", "read"]


@dataclass(frozen=True)
class Reader:
    """Reads examples by a map.

    Parameters
    ----------
    spec
        The set that a network takes.
    columns
        Which columns of a file are what.
    classes
        Names of the classes in order.

    Raises
    ------
    ConfigError
        If the map can't give what the network takes.
    """

    spec: TensorSpec
    columns: Columns
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        have = self.columns.elements
        if not self.columns.names():
            raise ConfigError("data.options.columns: `elements` names no column of a file, expected at least one")
        for name in self.spec.columns:
            if needed(name, have) is None:
                raise ConfigError(
                    f"data.options.columns: got {', '.join(have) or 'nothing'} in `elements`, which doesn't give "
                    f"{name!r} of the input {self.spec.name!r} ({', '.join(self.spec.columns)})"
                )
        named = self.columns.label if isinstance(self.columns.label, dict) else self.columns.values
        if named and set(named) != set(self.classes):
            raise ConfigError(
                f"data.options.columns: got classes {', '.join(named)}, expected {', '.join(self.classes)}"
            )

    def chunks(self, path: Path, size: int, *, labels: bool) -> Iterator[tuple[Ragged, np.ndarray, int]]:
        """Give elements (hardest first, without padding), labels ``[rows]``, and how many rows weren't sorted.

        Without ``labels``, no column of the label needs to be there, and all labels are -1.

        Raises
        ------
        DataError
            If anything doesn't fit; the line names file, row and column.
        """
        with open_columns(path, self.columns.tree) as source:
            names = [*self.columns.names(), *(self.columns.labels() if labels else ())]
            source.require(names)
            start = 0
            for chunk in source.chunks(list(dict.fromkeys(names)), size):
                elements, resorted = self._elements(source, chunk, start)
                found = np.full(len(elements), -1, np.int16)
                if labels:
                    found = labels_of(self.columns, self.classes, source.name, chunk, start)
                start += len(elements)
                yield elements, found, resorted
            if start == 0:
                raise DataError(f"{path.name}: got 0 {self.spec.axes[0]}, expected at least 1")

    def _elements(self, source: Source, chunk: Mapping[str, Column], start: int) -> tuple[Ragged, int]:
        """Return the elements of some rows, hardest first, and how many rows weren't sorted."""
        lists = {name: _list(source.name, chunk[name], name) for name in self.columns.names()}
        counts = _same_counts(source.name, lists, start)
        place = np.repeat(np.arange(len(counts)), counts)
        have = self._quantities(source.name, lists, place + start)
        # What is zero in all columns is padding; a constant is in none.
        real = np.logical_or.reduce([have[quantity] != 0 for quantity, column in self._read() if column])
        have, place = {quantity: values[real] for quantity, values in have.items()}, place[real]
        wanted = np.stack([derive(name, have) for name in self.spec.columns], 1).astype(self.spec.dtype)
        for name, values in zip(self.spec.columns, wanted.T, strict=True):
            where = f"{source.name}: {name} of the {self.spec.axes[1]}"
            _refuse(~np.isfinite(values), values, place + start, where, "a finite number")
            if name in self.spec.positive:
                _refuse(values <= 0, values, place + start, where, "a value above 0")
        elements = Ragged.from_counts(wanted, np.bincount(place, minlength=len(counts)))
        return falling(elements, derive("pt", have)) if needed("pt", have) else (elements, 0)

    def _quantities(self, file: str, lists: Mapping[str, Lists], rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return every component that the file has, and constants, in GeV; ``rows`` says whose each entry is."""
        scale = 1e-3 if self.columns.unit == "MeV" else 1.0
        have = {}
        for quantity, column in self.columns.elements.items():
            if isinstance(column, str):
                values = lists[column].values.astype(np.float64)
                _refuse(~np.isfinite(values), values, rows, f"{file}: column {column}", "a finite number")
            else:
                values = np.full(len(rows), column, np.float64)
            have[quantity] = values * scale if quantity in ENERGIES else values
        return have

    def _read(self) -> Iterator[tuple[str, bool]]:
        """Give every component, and whether it is read from a column."""
        for quantity, column in self.columns.elements.items():
            yield quantity, isinstance(column, str)


def convert(reader: Reader, files: Sequence[Path], folder: Path, *, chunk: int = 8192) -> dict[str, Any]:
    """Convert the files of one split into a store: the set (ragged), hardest element first, and ``label``.

    Every example is kept, also one with few elements or none, and every element: loaders cut, the store doesn't.

    Parameters
    ----------
    reader
        What is read from where.
    files
        One after the other.
    folder
        Folder of the store; it is replaced in one step.
    chunk
        Examples in memory at a time.

    Returns
    -------
    counts
        What was found, as JSON values.

    Raises
    ------
    DataError
        If a file can't be read, or holds what no example can have.
    """
    from tqdm import tqdm

    names = reader.classes
    counts = {"examples": 0, **dict.fromkeys(names, 0), "elements": 0, "longest": 0, "without_elements": 0}
    counts["resorted"] = 0
    source: dict[str, Any] = {"files": [], "counts": counts, "columns": reader.columns.model_dump()}
    if not files:
        raise DataError(f"{folder.name}: got no files to convert, expected at least one")
    with write_store(folder, source) as writer:
        for path in files:
            before = counts["examples"]
            with tqdm(unit=reader.spec.axes[0], desc=f"convert {path.name}", file=sys.stderr, disable=None) as bar:
                for elements, label, resorted in reader.chunks(path, chunk, labels=True):
                    parts: dict[str, Any] = {reader.spec.name: elements, "label": label}
                    writer.append(**parts)
                    _count(counts, names, elements, label, resorted)
                    bar.update(len(label))
            source["files"].append({"name": path.name, "examples": counts["examples"] - before})
    return counts


def read(reader: Reader, path: Path, size: int) -> Iterator[dict[str, list[np.ndarray]]]:
    """Read the set from a file, labels or not: by its name, one array for each example.

    A file whose columns have the names that the network itself uses needs no map; it is in GeV.
    """
    with open_columns(path, reader.columns.tree) as source:
        own = {name: name for name in reader.spec.columns}
        if all(map(source.has, own)) and not any(map(source.has, reader.columns.names())):
            reader = replace(reader, columns=Columns(elements={**own}))
    for elements, _, _ in reader.chunks(path, size, labels=False):
        yield {reader.spec.name: [elements[number] for number in range(len(elements))]}


def _list(file: str, column: Column, name: str) -> Lists:
    if not isinstance(column, Lists):
        raise DataError(f"{file}: column {name}: got one number for each row, expected a list of them")
    return column


def _same_counts(file: str, lists: Mapping[str, Lists], start: int) -> np.ndarray:
    """Return how many elements each row has, the same by all columns."""
    first, reference = next(iter(lists.items()))
    for name, column in lists.items():
        if not np.array_equal(column.counts, reference.counts):
            row = int((column.counts != reference.counts).argmax())
            raise DataError(
                f"{file}: row {start + row}: {name} has {column.counts[row]} entries, {first} "
                f"{reference.counts[row]}; expected the same number"
            )
    return reference.counts


def _count(counts: dict[str, int], names: Sequence[str], elements: Ragged, label: np.ndarray, resorted: int) -> None:
    sizes = elements.counts()
    counts["examples"] += len(label)
    counts["elements"] += int(sizes.sum())
    counts["longest"] = max(counts["longest"], int(sizes.max(initial=0)))
    counts["without_elements"] += int((sizes == 0).sum())
    counts["resorted"] += resorted
    for name, number in zip(names, np.bincount(label, minlength=len(names)), strict=True):
        counts[name] += int(number)


def _refuse(wrong: np.ndarray, values: np.ndarray, rows: np.ndarray, place: str, expected: str) -> None:
    if wrong.any():
        bad = int(wrong.argmax())
        raise DataError(f"{place}: row {rows[bad]}: got {values[bad]}, expected {expected}")
