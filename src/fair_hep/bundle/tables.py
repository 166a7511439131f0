"""Put tables that `writers` wrote in parts one after the other, so that the whole is what one writer would write.

In CSV the lines are copied; from Parquet and HDF5 the rows are read and written again by the same writer, as many at a
time as before, since a list that was written in two pieces isn't laid out like one.
"""

from __future__ import annotations

import contextlib
import csv
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .columnar.parquet import WHAT as PARQUET
from .files import new_file
from .reading import reading
from .writers import Columns, check_suffix, writer

__all__ = ["join_tables"]


def join_tables(parts: Sequence[tuple[Path, Sequence[int]]], output: Path) -> None:
    """Write the rows of several tables into one.

    Parameters
    ----------
    parts
        Tables of the same columns in their order, at least one; with each, how many rows were written at a time.
    output
        Table to write, of the same kind; it appears at the end, whole or not at all.

    Raises
    ------
    DataError
        If a part can't be read, or the kind isn't known.
    """
    check_suffix(output)
    replay = _REPLAYS.get(output.suffix.lower())
    if replay is None:
        with new_file(output) as temporary:
            _copy_lines([part for part, _ in parts], temporary)
        return
    with writer(output) as write:
        for part, rows in parts:
            for columns in replay(part, rows):
                write(columns)


def _copy_lines(parts: Sequence[Path], output: Path) -> None:
    with output.open("wb") as whole:
        for number, part in enumerate(parts):
            with part.open("rb") as stream:
                for _ in range(_head(part) if number else 0):
                    stream.readline()
                shutil.copyfileobj(stream, whole)


def _head(part: Path) -> int:
    """Return how many lines the names of the columns take: names may be of several lines."""
    with part.open(newline="", encoding="utf-8") as stream:
        table = csv.reader(stream)
        next(table, None)
        return table.line_num


def _parquet(part: Path, rows: Sequence[int]) -> Iterator[Columns]:
    from pyarrow import parquet

    with contextlib.ExitStack() as stack:
        with reading(part.name, PARQUET):
            file = stack.enter_context(parquet.ParquetFile(part))
        for number in range(len(rows)):
            with reading(part.name, PARQUET):
                table = file.read_row_group(number)
                columns = {name: _values(table[name].combine_chunks()) for name in table.column_names}
            yield columns


def _values(column: Any) -> Sequence[Any] | np.ndarray:
    """Return what was written: texts, numbers, or an array of numbers for each row."""
    import pyarrow

    if pyarrow.types.is_string(column.type):
        texts: list[str] = column.to_pylist()
        return texts
    if not pyarrow.types.is_list(column.type):
        numbers: np.ndarray = column.to_numpy(zero_copy_only=False)
        return numbers
    places = column.offsets.to_numpy()
    return np.split(column.flatten().to_numpy(zero_copy_only=False), (places - places[0])[1:-1])


def _hdf5(part: Path, rows: Sequence[int]) -> Iterator[Columns]:
    import h5py

    with contextlib.ExitStack() as stack:
        with reading(part.name, "an HDF5 file"):
            file = stack.enter_context(h5py.File(part, "r"))
            # In the order in which they were made: h5py gives names in that of the alphabet.
            names = sorted(file, key=lambda name: h5py.h5o.get_info(file[name].id).addr)
        start = 0
        for count in rows:
            with reading(part.name, "an HDF5 file"):
                columns = {name: _read(file[name], slice(start, start + count)) for name in names}
            start += count
            yield columns


def _read(data: Any, rows: slice) -> Any:
    import h5py

    return list(data.asstr()[rows]) if h5py.check_string_dtype(data.dtype) is not None else data[rows]


#: What reads a table as it was written, by its suffix; lines of CSV are copied.
_REPLAYS: dict[str, Callable[[Path, Sequence[int]], Iterator[Columns]]] = {
    ".parquet": _parquet,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
}
