"""HDF5 files: plain, structured and variable-length data sets, by h5py."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..reading import check_growth, reading
from .heaps import check_heaps
from .source import Column, Lists, Source, same_length

__all__ = ["open_hdf5"]

_WHAT = "an HDF5 file"
#: Numbers in a row, at most: far more than any event has.
_WIDEST = 2**20
#: Bytes of a column that are read at a time, unless one row takes more.
_PIECE = 2**28
#: Rows of lists that are read at a time from the largest files.
_ROWS = 64


class _Hdf5(Source):
    def __init__(self, path: Path, places: Mapping[str, tuple[Any, str | None]]) -> None:
        super().__init__(path.name)
        self.path, self.places, self.size = path, places, path.stat().st_size
        #: Bytes of the lists that were read, by the data set.
        self.taken: dict[str, int] = {}

    @property
    def columns(self) -> list[str]:
        return list(self.places)

    def rows(self, names: Sequence[str]) -> int:
        rows = {name: len(self.places[place[0]][0]) for name in names if (place := self.base(name))}
        same_length(self.name, rows)
        return next(iter(rows.values()))

    def chunks(self, names: Sequence[str], size: int, start: int = 0) -> Iterator[dict[str, Column]]:
        found = {name: place for name in names if (place := self.base(name))}
        count = self.rows(names)
        size = self._piece({name: self.places[base][0] for name, (base, _) in found.items()}, size)
        self.taken.clear()
        for first in range(start, count, size):
            with reading(self.name, _WHAT):
                part = {
                    name: self._read(name, base, slice(first, first + size), entry)
                    for name, (base, entry) in found.items()
                }
            yield part

    def _piece(self, sets: Mapping[str, Any], size: int) -> int:
        """Return how many rows are read at a time, after holding what the sets claim against the file.

        They divide ``size``: whoever begins at a multiple of that meets the same pieces as who begins at the first row.
        """
        import h5py

        for name, data in sets.items():
            if (numbers := int(np.prod(data.shape[1:], dtype=object))) > _WIDEST:
                raise DataError(
                    f"{self.name}: column {name}: got {numbers} numbers in a row, expected at most {_WIDEST}"
                )
            # What was never written takes no space in a file, but would in memory.
            check_growth(f"{self.name}: column {name}", len(data) * max(1, _width(data)), self.size)
        wide, asked = max(map(_width, sets.values())), size
        # Lists lie beside their rows, and a hostile file lets every row have the same long one.
        if any(h5py.check_vlen_dtype(data.dtype) is not None for data in sets.values()):
            check_heaps(self.path)
            size = min(size, max(_ROWS, 4 * _PIECE // max(1, self.size)))
        return next(rows for rows in range(max(1, min(size, _PIECE // max(1, wide))), 0, -1) if asked % rows == 0)

    def _read(self, name: str, base: str, rows: slice, entry: int | None) -> Column:
        import h5py

        data, field = self.places[base]
        inner = h5py.check_vlen_dtype(data.dtype)
        if inner is not None and np.dtype(inner).kind in "fiub":
            lists = data[rows]
            counts = np.array([len(row) for row in lists], np.int64)
            self.taken[base] = self.taken.get(base, 0) + int(counts.sum()) * np.dtype(inner).itemsize
            # Nothing compresses lists.
            if self.taken[base] > self.size:
                raise DataError(f"{self.name}: column {name}: its lists hold more than the file; don't trust it")
            return Lists(np.concatenate(lists) if len(lists) else np.zeros(0, inner), counts)
        if field is None and data.dtype.kind not in "fiub":
            raise DataError(f"{self.name}: column {name}: got type {data.dtype}, expected numbers")
        return self.array(name, data[rows] if field is None else data.fields(field)[rows], entry)


@contextlib.contextmanager
def open_hdf5(path: Path, _: str | None) -> Iterator[Source]:
    """Open such a file."""
    import h5py

    if not h5py.is_hdf5(path):
        raise DataError(f"{path.name}: not an HDF5 file")
    places: dict[str, tuple[Any, str | None]] = {}

    def note(name: str, item: Any) -> None:
        # Data that lie in other files aren't read: a stranger's file could name any.
        if isinstance(item, h5py.Dataset) and item.shape and not item.external and not item.is_virtual:
            fields = item.dtype.names
            places.update({f"{name}/{field}": (item, field) for field in fields} if fields else {name: (item, None)})

    with reading(path.name, _WHAT):
        file = h5py.File(path, "r")
    with file:
        with reading(path.name, _WHAT):
            file.visititems(note)
        yield _Hdf5(path, places)


def _width(data: Any) -> int:
    """Return the bytes of a row; of a list, those of its place."""
    return int(np.prod(data.shape[1:], dtype=object)) * int(data.dtype.itemsize)
