"""Ragged arrays: rows of different numbers per example, gathered without a loop over examples."""

from __future__ import annotations

import numpy as np

__all__ = ["Ragged", "falling"]

# Sorted in double precision and stored in single, neighbours may seem swapped by so much.
_TOLERANCE = 1e-5


class Ragged:
    """Rows of different numbers per example, one after the other.

    Parameters
    ----------
    values
        ``[total, columns]``.
    offsets
        ``[n + 1]`` integers from 0 to ``total``: example ``i`` has the rows ``offsets[i]`` to ``offsets[i + 1]``.

    Examples
    --------
    >>> ragged = Ragged.from_counts(np.array([[1.0], [2.0], [3.0]]), np.array([1, 0, 2]))
    >>> ragged.padded(np.array([2, 0]))[..., 0].tolist()
    [[2.0, 3.0], [1.0, 0.0]]
    """

    def __init__(self, values: np.ndarray, offsets: np.ndarray) -> None:
        if values.ndim != 2 or offsets.ndim != 1 or len(offsets) == 0 or offsets[-1] != len(values):
            raise ValueError(f"values {values.shape} and offsets {offsets.shape} don't fit each other")
        self.values = values
        self.offsets = offsets

    @classmethod
    def from_counts(cls, values: np.ndarray, counts: np.ndarray) -> Ragged:
        """Make it from the number of rows of every example ``[n]``."""
        return cls(values, np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        """Return the rows of one example, ``[rows, columns]``."""
        inside = range(len(self))[index]
        return self.values[self.offsets[inside] : self.offsets[inside + 1]]

    def counts(self, indices: np.ndarray | None = None) -> np.ndarray:
        """Return the number of rows of some examples (of all by default), ``[n]``."""
        if indices is None:
            return np.diff(self.offsets)
        return np.asarray(self.offsets[indices + 1] - self.offsets[indices])

    def padded(self, indices: np.ndarray, limit: int | None = None) -> np.ndarray:
        """Gather examples into one array, padded with zeros to the longest of them.

        Parameters
        ----------
        indices
            Positions of the examples, ``[n]`` integers from 0.
        limit
            Rows to keep of an example: its first ones; None keeps all.

        Returns
        -------
        array
            ``[n, longest, columns]``; ``longest`` is at least 1.
        """
        counts = self.counts(indices)
        if limit is not None:
            counts = np.minimum(counts, limit)
        place = np.arange(max(1, counts.max(initial=1)))
        real = place < counts[:, None]
        result = np.zeros((*real.shape, self.values.shape[1]), self.values.dtype)
        result[real] = self.values[(self.offsets[indices][:, None] + place)[real]]
        return result


def falling(rows: Ragged, key: np.ndarray) -> tuple[Ragged, int]:
    """Sort the rows of every example by a falling key; return them and the number of examples that weren't sorted.

    Parameters
    ----------
    rows
        Rows of all examples.
    key
        What to sort by, ``[total]``, not negative.

    Examples
    --------
    >>> mixed = Ragged.from_counts(np.array([[1.0], [3.0], [2.0]]), np.array([2, 1]))
    >>> result, unsorted = falling(mixed, mixed.values[:, 0])
    >>> result.values[:, 0].tolist(), unsorted
    ([3.0, 1.0, 2.0], 1)
    """
    example = np.repeat(np.arange(len(rows)), rows.counts())
    rising = (key[1:] > key[:-1] * (1 + _TOLERANCE)) & (example[1:] == example[:-1])
    if not rising.any():
        return rows, 0
    order = np.lexsort((-key, example))
    return Ragged(rows.values[order], rows.offsets), len(np.unique(example[1:][rising]))
