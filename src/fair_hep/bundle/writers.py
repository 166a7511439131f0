"""Write a table row by row into CSV, Parquet or HDF5; a cell is a number or a list of numbers.

In CSV a list is JSON text; in HDF5 a column is a dataset, lists have variable length.
"""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from .errors import DataError
from .files import new_file

__all__ = ["Columns", "Write", "check_suffix", "writer"]

#: One array of numbers, or a sequence of arrays of different lengths, for each column.
Columns: TypeAlias = Mapping[str, Sequence[Any] | np.ndarray]
Write: TypeAlias = Callable[[Columns], None]


def check_suffix(path: Path) -> tuple[str, ...]:
    """Return the libraries that a file of this kind needs.

    Raises
    ------
    DataError
        If the suffix isn't known.
    """
    if path.suffix.lower() not in _WRITERS:
        raise DataError(f"{path.name}: got suffix {path.suffix!r}, expected one of {', '.join(_WRITERS)}")
    return _WRITERS[path.suffix.lower()][1]


@contextlib.contextmanager
def writer(path: Path) -> Iterator[Write]:
    """Give a function that appends rows to a file; the file appears at the end, whole or not at all."""
    check_suffix(path)
    with new_file(path) as temporary, _WRITERS[path.suffix.lower()][0](temporary) as write:
        yield write


@contextlib.contextmanager
def _csv(path: Path) -> Iterator[Write]:
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)

        def write(columns: Columns) -> None:
            if stream.tell() == 0:
                table.writerow(columns)
            table.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))

        yield write


def _cell(value: Any) -> Any:
    # A single-precision number has at most nine digits; more would be digits of nothing.
    if np.ndim(value):
        return json.dumps([float(f"{number:.9g}") for number in value])
    return f"{value:.9g}" if isinstance(value, (float, np.floating)) else value


@contextlib.contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    import pyarrow
    from pyarrow import parquet

    with contextlib.ExitStack() as stack:
        opened: list[Any] = []

        def write(columns: Columns) -> None:
            table = pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()})
            if not opened:
                opened.append(stack.enter_context(parquet.ParquetWriter(path, table.schema)))
            opened[0].write_table(table.cast(opened[0].schema))

        yield write


@contextlib.contextmanager
def _hdf5(path: Path) -> Iterator[Write]:
    import h5py

    with h5py.File(path, "w") as file:

        def write(columns: Columns) -> None:
            for name, values in columns.items():
                ragged = bool(len(values)) and bool(np.ndim(values[0]))
                if name not in file:
                    kind = h5py.vlen_dtype(np.float32) if ragged else np.asarray(values).dtype
                    kind = h5py.string_dtype() if kind.kind == "U" else kind
                    file.create_dataset(name, shape=(0,), maxshape=(None,), dtype=kind, chunks=True)
                dataset = file[name]
                start = len(dataset)
                dataset.resize(start + len(values), axis=0)
                for number, value in enumerate(values if ragged else [], start=start):
                    dataset[number] = value
                if not ragged:
                    dataset[start:] = values

        yield write


#: Every suffix with its writer and what that needs.
_WRITERS: dict[str, tuple[Callable[[Path], Any], tuple[str, ...]]] = {
    ".csv": (_csv, ()),
    ".parquet": (_parquet, ("pyarrow",)),
    ".h5": (_hdf5, ("h5py",)),
    ".hdf5": (_hdf5, ("h5py",)),
}
