"""Classes of examples from the columns of a file: one column of numbers, or columns of 0 and 1 for each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..bundle.columnar import Column, Lists
from ..bundle.errors import DataError

if TYPE_CHECKING:
    from ..bundle.columns import Columns

__all__ = ["labels_of"]


def labels_of(
    columns: Columns, classes: tuple[str, ...], file: str, chunk: Mapping[str, Column], start: int
) -> np.ndarray:
    """Return the class of every row as its place among ``classes``, ``[rows]`` int16.

    Parameters
    ----------
    columns, classes
        Which columns hold the label, and the names of the classes.
    file
        Name of the file, for messages.
    chunk
        Columns of some rows.
    start
        Number of the first row.

    Raises
    ------
    DataError
        If a row belongs to no class or to several, or a column holds something else; the line names the row.
    """
    flat = {name: _numbers(chunk[name], name, file) for name in columns.labels()}
    if isinstance(columns.label, str):
        codes = [columns.values.get(name, number) for number, name in enumerate(classes)]
        matches = np.stack([flat[columns.label] == code for code in codes], 1)
        wanted = f"column {columns.label}: got {{}}, expected one of {', '.join(map(str, codes))}"
        values = flat[columns.label]
    else:
        for name, column in flat.items():
            wrong = (column != 0) & (column != 1)
            if wrong.any():
                row = int(wrong.argmax())
                raise DataError(f"{file}: row {start + row}, column {name}: got {column[row]}, expected 0 or 1")
        groups = [columns.label[name] for name in classes]
        grouped = [group if isinstance(group, list) else [group] for group in groups]
        values = np.stack([sum(flat[name] for name in group) for group in grouped], 1).sum(1)
        matches = np.stack([np.logical_or.reduce([flat[name] == 1 for name in group]) for group in grouped], 1)
        wanted = f"columns {', '.join(flat)}: {{}} of them are 1, expected exactly one"
    wrong = (matches.sum(1) != 1) | (isinstance(columns.label, dict) and values != 1)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{file}: row {start + row}, {wanted.format(f'{float(values[row]):g}')}")
    found: np.ndarray = matches.argmax(1).astype(np.int16)
    return found


def _numbers(column: Column, name: str, file: str) -> np.ndarray:
    if isinstance(column, Lists):
        raise DataError(f"{file}: column {name}: got a list of numbers for each row, expected one number")
    values: np.ndarray = column.astype(np.float64)
    return values
