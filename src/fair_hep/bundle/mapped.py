"""Examples by a map of columns: of files, and of arrays in memory as `tree.arrays()` gives them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .columnar import Column, Lists, open_columns, rows_of
from .columns import Columns, require_given
from .elements import elements_of
from .errors import DataError
from .signature import Signature, TensorSpec

__all__ = ["mapped", "mapped_rows", "names_of", "parts_of", "read_mapped"]

_WANTED = "expected a number or a list of numbers for each row"


def read_mapped(
    path: Path, signature: Signature, size: int, columns: Columns, start: int = 0
) -> Iterator[dict[str, Sequence[np.ndarray]]]:
    """Read examples from a file, some rows at a time from one on: by names of the inputs, an array for each example.

    Elements keep their order.

    Raises
    ------
    ConfigError
        If the map doesn't give what the model takes.
    DataError
        If the file can't be read, or holds what no example can have; the line names row and column.
    """
    parts = parts_of(signature, columns)
    with open_columns(path, columns.tree) as source:
        names = names_of(parts, columns)
        source.require(names)
        for chunk in source.chunks(names, size, start):
            yield {spec.name: elements_of(spec, part, source.name, chunk, start).each() for spec, part in parts}
            start += rows_of(next(iter(chunk.values())))


def mapped_rows(path: Path, signature: Signature, columns: Columns) -> int | None:
    """Return how many examples a file has, without reading them; None: rows hold any number of examples."""
    if columns.group is not None:
        return None
    with open_columns(path, columns.tree) as source:
        names = names_of(parts_of(signature, columns), columns)
        source.require(names)
        return source.rows(names)


def mapped(signature: Signature, columns: Columns, arrays: Any) -> dict[str, Sequence[np.ndarray]]:
    """Return examples from arrays in memory: by the names of the inputs, one array for each example.

    Parameters
    ----------
    signature
        What the model takes.
    columns
        Which columns are what.
    arrays
        Columns by name: an Awkward array of records whose fields are lists, a mapping to arrays of arrays, a table.

    Raises
    ------
    ConfigError, DataError
        As for `read_mapped`.
    """
    parts = parts_of(signature, columns)
    names = names_of(parts, columns)
    found = list(getattr(arrays, "fields", ())) or [str(name) for name in getattr(arrays, "keys", list)()]
    missing = [name for name in names if name not in found]
    if missing:
        shown = ", ".join(found[:30]) or type(arrays).__name__
        raise DataError(f"inputs: missing columns {', '.join(missing)}; found {shown}")
    chunk = {name: _column(name, arrays[name]) for name in names}
    rows = {name: rows_of(column) for name, column in chunk.items()}
    if len(set(rows.values())) > 1:
        raise DataError(f"inputs: columns have different numbers of rows: {rows}")
    return {spec.name: elements_of(spec, part, "inputs", chunk).each() for spec, part in parts}


def parts_of(signature: Signature, columns: Columns) -> list[tuple[TensorSpec, Columns]]:
    """Return every input with the part of a map that it needs.

    Raises
    ------
    ConfigError
        If the map doesn't give what the model takes.
    """
    for spec in signature.inputs:
        require_given(columns, spec, "columns")
    alone = len(signature.inputs) == 1
    return [(spec, columns if alone else columns.only(spec)) for spec in signature.inputs]


def names_of(parts: Sequence[tuple[TensorSpec, Columns]], columns: Columns) -> list[str]:
    """Return the names of all columns that are read, each once."""
    return list(dict.fromkeys([*(name for _, part in parts for name in part.names()), *columns.others()]))


def _column(name: str, values: Any) -> Column:
    """Return a column of any kind that has a number, or numbers, for each row."""
    if hasattr(values, "layout"):
        values = _plain(name, values)
    rows = [np.asarray(row) for row in values]
    counts = {row.ndim for row in rows}
    wrong = next((row for row in rows if row.dtype.kind not in "fiub" and row.size), None)
    if wrong is not None or len(counts) > 1 or max(counts, default=0) > 1:
        got = f"type {wrong.dtype}" if wrong is not None else f"values with {sorted(counts)} axes"
        raise DataError(f"inputs: column {name}: got {got}, {_WANTED}")
    if counts == {0}:
        return np.array(rows)
    flat = np.concatenate(rows) if rows else np.zeros(0)
    return Lists(flat.astype(np.float64, copy=False), np.array([len(row) for row in rows], np.int64))


def _plain(name: str, values: Any) -> list[Any]:
    """Return the rows of an Awkward array."""
    import awkward

    if awkward.fields(values) or values.ndim > 2:
        raise DataError(
            f"inputs: column {name}: got {values.type}, expected a number or a list of numbers for each row"
        )
    try:
        flat = awkward.to_numpy(awkward.flatten(values, axis=None) if values.ndim == 2 else values, allow_missing=False)
    except ValueError as error:
        raise DataError(f"inputs: column {name}: got missing values, expected a number everywhere") from error
    if values.ndim == 1:
        return list(flat)
    counts = awkward.to_numpy(awkward.num(values, axis=1))
    return np.split(flat, np.cumsum(counts)[:-1]) if len(counts) else []
