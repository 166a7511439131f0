"""Rows within rows: the elements of examples, the maps of events and what each of them sees, and how to pad them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

__all__ = ["Nested", "padded"]


class Nested:
    """How many rows each row has, at every depth.

    Parameters
    ----------
    counts
        By the name of the data set that counts: how many rows each of its own rows has.
    counted_by
        For every data set what counts its rows; empty: there is one for each example.
    examples
        Number of examples.
    """

    def __init__(self, counts: Mapping[str, np.ndarray], counted_by: Mapping[str, str], examples: int) -> None:
        self.counts = dict(counts)
        self._parents = {name: counted_by[name] for name in counts}
        self._examples = examples
        self._ends = {name: np.concatenate([[0], np.cumsum(values)]) for name, values in counts.items()}

    def related(self, level: str, rows: str) -> bool:
        """Say whether rows counted by ``level`` belong to, or have, the ``rows`` that one asks for."""
        return rows in self._above(level) or level in self._above(rows)

    def length(self, rows: str) -> int:
        """Return the number of rows."""
        return int(self._ends[rows][-1]) if rows else self._examples

    def chunks(self, rows: str, weights: Mapping[str, int], most: int, largest: int) -> Iterator[tuple[int, int]]:
        """Give the first row and the one after the last of every chunk.

        Parameters
        ----------
        rows
            Which rows.
        weights
            Bytes that the rows of one level take, by what counts them, for each row.
        most
            Most rows of a chunk.
        largest
            Most bytes of a chunk, once it is padded; a single row may have more.
        """
        above = self._above(rows)
        widths = {
            name: self._widths(name, rows) for name in self.counts if name not in above and rows in self._above(name)
        }
        start, total = 0, self.length(rows)
        while start < total:
            size = np.zeros(min(most, total - start))
            longest = {name: np.maximum.accumulate(values[start : start + most]) for name, values in widths.items()}
            for level, weight in weights.items():
                path = () if level in above else self._path(level, rows)
                size += weight * np.prod([longest[name] for name in path], axis=0) if path else weight
            stop = start + max(1, int((size * np.arange(1, len(size) + 1) <= largest).sum()))
            yield start, stop
            start = stop

    def read(self, data: Any, level: str, rows: str, chunk: tuple[int, int], *, filler: int) -> np.ndarray:
        """Read a data set for some rows, padded to ``[rows, longest, ...]``.

        Parameters
        ----------
        data
            What holds its rows.
        level
            What counts them.
        rows, chunk
            Which rows are asked for, the first and the one after the last; what is counted further up is repeated.
        filler
            What stands where there is nothing.
        """
        if level in self._above(rows):
            owners = self._owners(rows, level, np.arange(*chunk))
            first = int(owners[0])
            found: np.ndarray = data[first : int(owners[-1]) + 1][owners - first]
            return found
        path = self._path(level, rows)
        bounds = [chunk]
        for name in path:
            first, last = bounds[-1]
            bounds.append((int(self._ends[name][first]), int(self._ends[name][last])))
        found = data[bounds[-1][0] : bounds[-1][1]]
        for name, (first, last) in zip(reversed(path), reversed(bounds[:-1]), strict=True):
            found = padded(found, self.counts[name][first:last], filler)
        return found

    def _above(self, level: str) -> list[str]:
        """Return a level and those that it is counted by, the examples last."""
        found = [level]
        while found[-1]:
            found.append(self._parents[found[-1]])
        return found

    def _path(self, level: str, rows: str) -> list[str]:
        """Return the counts that lead from rows down to a level."""
        above = self._above(level)
        return above[: above.index(rows)][::-1]

    def _owners(self, rows: str, level: str, numbers: np.ndarray) -> np.ndarray:
        """Return to which row of a level further up each row belongs."""
        for name in self._above(rows):
            if name == level:
                break
            numbers = np.searchsorted(self._ends[name], numbers, "right") - 1
        return numbers

    def _widths(self, level: str, rows: str) -> np.ndarray:
        """Return how many rows of a level the longest row above it has, for each of the rows asked for."""
        *path, last = self._path(level, rows)
        found: np.ndarray = self.counts[last]
        for name in reversed(path):
            found = padded(found, self.counts[name]).max(1, initial=0)
        return found


def padded(values: np.ndarray, counts: np.ndarray, filler: int = 0) -> np.ndarray:
    """Put rows that lie one after the other into ``[counts, longest, ...]``."""
    mask = np.arange(int(counts.max(initial=0)))[None] < counts[:, None]
    result = np.full((*mask.shape, *values.shape[1:]), filler, values.dtype)
    result[mask] = values
    return result
