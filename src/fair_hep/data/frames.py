"""Tables that pandas wrote to HDF5 (``format="table"``): opened safely, read by column name, in pieces.

PyTables reads them with any of its compressions. It also unpickles every attribute that looks like a pickle, and a
pickle may run any code: attributes are therefore looked through with h5py before PyTables sees the file.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import pickletools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.errors import DataError
from ..bundle.reading import check_growth, reading

__all__ = ["Frame", "open_frame"]

# What numpy's own scalars and arrays need to be unpickled: no more is allowed in a file from a stranger.
_HARMLESS = {"scalar", "_reconstruct", "dtype", "ndarray", "encode"}
_HARMLESS_MODULES = {"numpy", "numpy.core.multiarray", "numpy._core.multiarray", "_codecs"}
_KIND = "_kind"
_WHAT = "an HDF5 file"


class Frame:
    """One open table. Made by `open_frame`.

    Attributes
    ----------
    name
        Name of the file, for messages.
    rows
        Number of rows.
    """

    def __init__(self, name: str, table: Any, places: dict[str, tuple[str, int | None]]) -> None:
        self.name = name
        self.rows = int(table.nrows)
        self._table = table
        self._places = places

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._places)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the rows from ``start`` to ``stop - 1`` as they lie in the file, for `column` and `matrix`.

        Raises
        ------
        DataError
            If the file is damaged there.
        """
        with reading(f"{self.name}, rows {start} to {stop - 1}", "rows of a table"):
            records: np.ndarray = self._table.read(start, stop)
        return records

    def column(self, records: np.ndarray, name: str) -> np.ndarray:
        """Return one column of what `read` gave, ``[rows]``."""
        field, position = self._places[name]
        values: np.ndarray = records[field] if position is None else records[field][:, position]
        return values

    def matrix(self, records: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Return several columns of what `read` gave, ``[rows, columns]``."""
        field, start = self._places[names[0]]
        side_by_side = [(field, (start or 0) + number) for number in range(len(names))]
        if [self._places[name] for name in names] == side_by_side:
            values: np.ndarray = records[field][:, start : (start or 0) + len(names)]
            return values
        return np.stack([self.column(records, name) for name in names], 1)


@contextlib.contextmanager
def open_frame(path: Path, key: str) -> Iterator[Frame]:
    """Open the table that pandas wrote under a key.

    Raises
    ------
    DataError
        If the file is missing, no HDF5 file, cut short or without such a table; or if reading it would run code.
    """
    import tables

    node = f"/{key}/table"
    names = _block_names(path, node)
    with reading(path.name, _WHAT):
        file = tables.open_file(path, "r")
    with file:
        try:
            with reading(path.name, _WHAT):
                table = file.get_node(node, classname="Table")
                # Rows that were never written take no space in a file, but would in memory.
                check_growth(path.name, int(table.nrows) * int(table.rowsize), path.stat().st_size)
                frame = Frame(path.name, table, _places(path.name, table.dtype, names))
        except DataError as error:
            if isinstance(error.__cause__, tables.NoSuchNodeError):
                raise DataError(f"{path.name}: {node} is no table of rows, expected one as pandas writes it") from error
            raise
        yield frame


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


def _block_names(path: Path, node: str) -> dict[str, list[str]]:
    """Return the column names of every block of columns, after making sure that no attribute runs code when read."""
    import h5py

    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if not h5py.is_hdf5(path):
        raise DataError(f"{path.name}: not an HDF5 file")
    with reading(path.name, _WHAT), h5py.File(path, "r") as file:
        if not isinstance(file.get(node), h5py.Dataset):
            raise DataError(f"{path.name}: no table {node}; it holds {sorted(file) or 'nothing'}")
        everything = [file]
        file.visititems(lambda _, item: everything.append(item))
        for item in everything:
            for name in item.attrs:
                _plain(path.name, name, item.attrs[name])
        values = {name: _plain(path.name, name, value) for name, value in file[node].attrs.items()}
    return {
        name.removesuffix(_KIND): [str(column) for column in value]
        for name, value in values.items()
        if name.endswith(_KIND) and isinstance(value, list)
    }


def _plain(file: str, name: str, value: Any) -> Any:
    """Return an attribute's value; unpickle it if PyTables would, but nothing except plain values."""
    if not isinstance(value, bytes) or not value.endswith(b"."):
        return value
    try:
        _check_memo(value)
        return _PlainUnpickler(io.BytesIO(value), encoding="latin1").load()
    except _ForbiddenError as error:
        raise DataError(f"{file}: attribute {name} asks to run {error}; refused: don't use this file") from error
    except Exception:  # Bytes that merely end with a full stop: unpickling them may raise anything.
        return value


def _check_memo(value: bytes) -> None:
    """Refuse a pickle that remembers under numbers which it can't have counted to: room is made for all below them."""
    for count, (step, number, _) in enumerate(pickletools.genops(value), start=1):
        if step.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= int(number or 0) <= count:
            raise _ForbiddenError(f"room for {number} objects")


class _ForbiddenError(Exception):
    """A pickle that wants more than plain values."""


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in _HARMLESS_MODULES and name in _HARMLESS:
            return super().find_class(module, name)
        raise _ForbiddenError(f"{module}.{name}")
