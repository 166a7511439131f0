"""HDF5 files: plain, structured and variable-length data sets, by h5py."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .source import Column, Lists, Source, line, same_length

__all__ = ["open_hdf5"]

#: Numbers in a row, at most: far more than any event has.
_WIDEST = 2**20


class _Hdf5(Source):
    def __init__(self, name: str, places: Mapping[str, tuple[Any, str | None]]) -> None:
        super().__init__(name)
        self.places = places

    @property
    def columns(self) -> list[str]:
        return list(self.places)

    def chunks(self, names: Sequence[str], size: int) -> Iterator[dict[str, Column]]:
        found = {name: place for name in names if (place := self.base(name))}
        rows = {name: len(self.places[base][0]) for name, (base, _) in found.items()}
        same_length(self.name, rows)
        try:
            for start in range(0, next(iter(rows.values())), size):
                yield {
                    name: self._read(name, base, slice(start, start + size), entry)
                    for name, (base, entry) in found.items()
                }
        except (OSError, RuntimeError) as error:
            raise self.damaged(error) from error

    def _read(self, name: str, base: str, rows: slice, entry: int | None) -> Column:
        import h5py

        data, field = self.places[base]
        inner = h5py.check_vlen_dtype(data.dtype)
        if inner is not None and np.dtype(inner).kind in "fiub":
            lists = data[rows]
            values = np.concatenate(lists) if len(lists) else np.zeros(0, inner)
            return Lists(values, np.array([len(row) for row in lists], np.int64))
        if field is None and data.dtype.kind not in "fiub":
            raise DataError(f"{self.name}: column {name}: got type {data.dtype}, expected numbers")
        # What was never written takes no space in a file, but would in memory.
        if (wide := int(np.prod(data.shape[1:], dtype=object))) > _WIDEST:
            raise DataError(f"{self.name}: column {name}: got {wide} numbers in a row, expected at most {_WIDEST}")
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

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path.name}: damaged or cut short: fetch it again ({line(error)})") from error
    with file:
        try:
            file.visititems(note)
        except (OSError, RuntimeError) as error:
            raise DataError(f"{path.name}: damaged or cut short: fetch it again ({line(error)})") from error
        yield _Hdf5(path.name, places)
