"""Files of columns, turned into a store by a map that says which column is what.

The map is `Columns`; ROOT, Parquet, HDF5 and .npz files are opened by `columnar`. Files are read in chunks, so memory
doesn't grow with their size. Everything that training must be able to trust is checked here, once: columns, lengths,
finite numbers, energies, labels.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.columnar import SUFFIXES, Source, open_columns, rows_of
from ..bundle.columns import OTHER_NAMES, Columns, require_given
from ..bundle.elements import elements_of
from ..bundle.errors import ConfigError, DataError
from ..bundle.parts import Part
from .joining import rows_of_part
from .labels import labels_of
from .ragged import Ragged, falling
from .store import write_store

if TYPE_CHECKING:
    from ..bundle import TensorSpec

__all__ = ["SUFFIXES", "Reader", "convert", "read", "rows"]


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
        require_given(self.columns, self.spec, "data.options.columns")
        named = self.columns.label if isinstance(self.columns.label, dict) else self.columns.values
        if named and set(named) != set(self.classes):
            raise ConfigError(
                f"data.options.columns: got classes {', '.join(named)}, expected {', '.join(self.classes)}"
            )

    def wanted(self, *, labels: bool) -> list[str]:
        """Return the columns of a file that are read."""
        if labels and self.columns.group is not None:
            raise ConfigError(
                "data.options.columns: `group` is for `predict`; labels belong to rows, not to their jets"
            )
        names = [*self.columns.names(), *self.columns.others(), *(self.columns.labels() if labels else ())]
        return list(dict.fromkeys(names))

    def rows(self, path: Path) -> int:
        """Return how many rows a file with labels has, at least 1; the errors of `chunks`."""
        with open_columns(path, self.columns.tree) as source:
            source.require(self.wanted(labels=True))
            found = source.rows(self.wanted(labels=True))
        if not found:
            raise DataError(f"{path.name}: got 0 {self.spec.axes[0]}, expected at least 1")
        return found

    def chunks(
        self, path: Path, size: int, *, labels: bool, start: int = 0
    ) -> Iterator[tuple[Ragged, np.ndarray, int]]:
        """Give elements (hardest first, without padding), labels ``[rows]``, and how many rows weren't sorted.

        Without ``labels``, no column of the label needs to be there, and all labels are -1. Rows before ``start``
        aren't read.

        Raises
        ------
        DataError
            If anything doesn't fit; the line names file, row and column.
        """
        names = self.wanted(labels=labels)
        with open_columns(path, self.columns.tree) as source:
            source.require(names, "" if labels else OTHER_NAMES)
            for chunk in source.chunks(names, size, start):
                sets = elements_of(self.spec, self.columns, source.name, chunk, start)
                elements, resorted = Ragged.from_counts(sets.values, sets.counts), 0
                if sets.pt is not None:
                    elements, resorted = falling(elements, sets.pt)
                found = np.full(len(elements), -1, np.int16)
                if labels:
                    found = labels_of(self.columns, self.classes, source.name, chunk, start)
                start += rows_of(next(iter(chunk.values())))
                yield elements, found, resorted
            if start == 0:
                raise DataError(f"{path.name}: got 0 {self.spec.axes[0]}, expected at least 1")


def convert(
    reader: Reader, files: Sequence[Path], folder: Path, *, chunk: int = 8192, part: Part | None = None
) -> dict[str, Any]:
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
    part
        A share of the examples of all files; where it has none, there is no store. None: all.

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
    wanted = rows_of_part([reader.rows(path) for path in files], part)
    source["files"] = [{"name": path.name, "examples": len(rows)} for path, rows in zip(files, wanted, strict=True)]
    if not any(map(len, wanted)):
        return counts
    with write_store(folder, source) as writer:
        for path, rows in zip(files, wanted, strict=True):
            with tqdm(unit=reader.spec.axes[0], desc=f"convert {path.name}", file=sys.stderr, disable=None) as bar:
                for elements, label, resorted in _some(reader, path, rows, chunk):
                    parts: dict[str, Any] = {reader.spec.name: elements, "label": label}
                    writer.append(**parts)
                    _count(counts, names, elements, label, resorted)
                    bar.update(len(label))
    return counts


def _some(reader: Reader, path: Path, rows: range, chunk: int) -> Iterator[tuple[Ragged, np.ndarray, int]]:
    """Give what `Reader.chunks` gives of some rows of a file."""
    left, first = len(rows), rows.start
    while left:
        # The last chunk is asked for by its own length: how many of its rows weren't sorted is known of a whole only.
        size = min(chunk, left)
        for elements, label, resorted in reader.chunks(path, size, labels=True, start=first):
            yield elements, label, resorted
            left, first = left - len(label), first + len(label)
            if left < size:
                break


def read(reader: Reader, path: Path, size: int, start: int = 0) -> Iterator[dict[str, list[np.ndarray]]]:
    """Read the set from a file, labels or not, from a row on: by its name, one array for each example.

    A file whose columns have the names that the network itself uses needs no map; it is in GeV.
    """
    with open_columns(path, reader.columns.tree) as source:
        reader = _fitting(reader, source)
    for elements, _, _ in reader.chunks(path, size, labels=False, start=start):
        yield {reader.spec.name: [elements[number] for number in range(len(elements))]}


def rows(reader: Reader, path: Path) -> int | None:
    """Return how many examples `read` gives; None where a row holds several."""
    with open_columns(path, reader.columns.tree) as source:
        fitting = _fitting(reader, source)
        if fitting.columns.group is not None:
            return None
        source.require(fitting.wanted(labels=False), OTHER_NAMES)
        return source.rows(fitting.wanted(labels=False))


def _fitting(reader: Reader, source: Source) -> Reader:
    """Return the reader, or one with the network's own names of columns where a file has these."""
    own = {name: name for name in reader.spec.columns}
    if all(map(source.has, own)) and not any(map(source.has, reader.columns.names())):
        return replace(reader, columns=Columns(elements={**own}))
    return reader


def _count(counts: dict[str, int], names: Sequence[str], elements: Ragged, label: np.ndarray, resorted: int) -> None:
    sizes = elements.counts()
    counts["examples"] += len(label)
    counts["elements"] += int(sizes.sum())
    counts["longest"] = max(counts["longest"], int(sizes.max(initial=0)))
    counts["without_elements"] += int((sizes == 0).sum())
    counts["resorted"] += resorted
    for name, number in zip(names, np.bincount(label, minlength=len(names)), strict=True):
        counts[name] += int(number)
