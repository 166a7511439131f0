"""The elements of examples from columns, by a map: checked once, where they come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .columnar import Column, Lists
from .columns import Columns
from .errors import DataError
from .quantities import ENERGIES, derive, needed
from .signature import TensorSpec

__all__ = ["Sets", "elements_of"]


@dataclass(frozen=True)
class Sets:
    """Elements of some examples, one after the other, without padding.

    Parameters
    ----------
    values
        ``[total, columns]`` as the network takes them.
    counts
        ``[examples]``, how many belong to each.
    pt
        ``[total]`` in GeV; None if the map doesn't give it.
    real
        ``[given]``, False for every element that was given and left out as padding.
    given
        ``[examples]``, how many elements of each were given, padding included.
    """

    values: np.ndarray
    counts: np.ndarray
    pt: np.ndarray | None
    real: np.ndarray
    given: np.ndarray

    def each(self) -> list[np.ndarray]:
        """Return one array for each example."""
        return np.split(self.values, np.cumsum(self.counts)[:-1]) if len(self.counts) else []

    def as_given(self, values: np.ndarray) -> np.ndarray:
        """Return values ``[total, ...]`` of the elements with zeros where padding was left out: ``[given, ...]``."""
        if self.real.all():
            return values
        whole = np.zeros((len(self.real), *values.shape[1:]), values.dtype)
        whole[self.real] = values
        return whole


def elements_of(spec: TensorSpec, columns: Columns, file: str, chunk: Mapping[str, Column], start: int = 0) -> Sets:
    """Return the elements of some rows.

    Parameters
    ----------
    spec
        The set that a network takes.
    columns
        Which columns are what; it gives what the set needs (`require_given`).
    file
        Name of what is read, for messages.
    chunk
        Columns of some rows.
    start
        Number of the first row.

    Raises
    ------
    DataError
        If anything doesn't fit; the line names row and column.
    """
    lists = {name: _list(file, chunk[name], name) for name in columns.names()}
    counts = _same_counts(file, lists, start)
    rows = np.repeat(np.arange(len(counts)), counts)
    place = rows
    if columns.group is not None:
        taken, place, size = _grouped(columns, file, chunk, counts, start)
        rows = rows[taken]
        lists = {name: Lists(column.values[taken], counts) for name, column in lists.items()}
    else:
        size = len(counts)
    have = _quantities(columns, file, lists, rows + start)
    # What is zero in all columns is padding; a constant is in none.
    read = [quantity for quantity, column in columns.elements.items() if isinstance(column, str)]
    real = np.logical_or.reduce([have[quantity] != 0 for quantity in read])
    given = np.bincount(place, minlength=size)
    have, place, rows = {quantity: values[real] for quantity, values in have.items()}, place[real], rows[real]
    wanted = np.stack([derive(name, have) for name in spec.columns], 1).astype(spec.dtype)
    for name, values in zip(spec.columns, wanted.T, strict=True):
        where = f"{file}: {name} of the {spec.axes[1]}"
        _refuse(~np.isfinite(values), values, rows + start, where, "a finite number")
        if name in spec.positive:
            _refuse(values <= 0, values, rows + start, where, "a value above 0")
    pt = derive("pt", have) if needed("pt", have) else None
    return Sets(wanted, np.bincount(place, minlength=size), pt, real, given)


def _grouped(
    columns: Columns, file: str, chunk: Mapping[str, Column], counts: np.ndarray, start: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return which elements belong to the examples of all rows, one example after the other.

    Returns
    -------
    taken, place, size
        Positions among all elements; the example of each, counted through; how many examples there are.
    """
    assert columns.group is not None
    assert columns.groups is not None
    group, sizes = _list(file, chunk[columns.group], columns.group), chunk[columns.groups]
    if isinstance(sizes, Lists):
        raise DataError(f"{file}: column {columns.groups}: got a list of numbers for each row, expected one number")
    sizes = np.asarray(sizes, np.int64)
    index = group if columns.index is None else _list(file, chunk[columns.index], columns.index)
    entries = {columns.group: group, (columns.index or columns.names()[0]): index}
    listed = _same_counts(file, entries, start)
    rows = np.repeat(np.arange(len(listed)), listed)
    if columns.index is None:
        _same_counts(file, {columns.group: group, columns.names()[0]: Lists(np.zeros(0), counts)}, start)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(listed) - listed, listed)
    else:
        within = index.values.astype(np.int64)
        wrong = (within < 0) | (within >= counts[rows])
        _refuse(wrong, within, rows + start, f"{file}: column {columns.index}", "the place of an element of its row")
    number = group.values.astype(np.int64)
    wrong = (number < 0) | (number >= sizes[rows])
    _refuse(wrong, number, rows + start, f"{file}: column {columns.group}", f"0 or more and less than {columns.groups}")
    place = (np.cumsum(sizes) - sizes)[rows] + number
    order = np.argsort(place, kind="stable")
    return ((np.cumsum(counts) - counts)[rows] + within)[order], place[order], int(sizes.sum())


def _quantities(columns: Columns, file: str, lists: Mapping[str, Lists], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return every component that there is, and constants, in GeV; ``rows`` says whose each entry is."""
    scale = 1e-3 if columns.unit == "MeV" else 1.0
    have = {}
    for quantity, column in columns.elements.items():
        if isinstance(column, str):
            values = lists[column].values.astype(np.float64)
            _refuse(~np.isfinite(values), values, rows, f"{file}: column {column}", "a finite number")
        else:
            values = np.full(len(rows), column, np.float64)
        have[quantity] = values * scale if quantity in ENERGIES else values
    return have


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


def _refuse(wrong: np.ndarray, values: np.ndarray, rows: np.ndarray, place: str, expected: str) -> None:
    if wrong.any():
        bad = int(wrong.argmax())
        raise DataError(f"{place}: row {rows[bad]}: got {values[bad]}, expected {expected}")
