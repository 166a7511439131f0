"""What relevance maps say on average: R-maps, R-scores, relevant elements and neighbours' shares, class by class.

An R-map is made as in Mokhtar et al., arXiv:2111.12840: absolute relevances, divided by their sum; the element itself
first, then the other elements by falling sum; averaged over elements of a class, those correctly classified and the
others apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .columns import CLASSES, KINDS
from .relevances import EXPLAINED, ElementRelevance

__all__ = ["BINS", "OUTCOMES", "SHARE", "Mean", "RMapAverages", "by_relevance", "r_map", "relevant_elements"]

OUTCOMES = ("correct", "incorrect")
#: Edges of the histograms of R-scores: a feature's signed part of the sum of |R|.
BINS = np.linspace(-1.0, 1.0, 41)
#: The part of the sum of |R| that the relevant elements carry.
SHARE = 0.9


def r_map(relevance: np.ndarray, own: int, rows: int) -> np.ndarray:
    """Return the R-map of one output of one element.

    Parameters
    ----------
    relevance
        Relevances of all elements that it sees ``[n, features]``.
    own
        Position of the element itself among them.
    rows
        Number of other elements to keep.

    Returns
    -------
    map
        ``[1 + rows, features]``: its own row first; rows that don't exist are 0. It sums to 1 if no row is left out;
        zeros if there is no relevance at all.
    """
    size = np.abs(relevance.astype(np.float64))
    total = size.sum()
    kept = np.concatenate([size[own : own + 1], size[by_relevance(relevance, own)[:rows]]])
    padded = np.pad(kept, [(0, 1 + rows - len(kept)), (0, 0)])
    return padded / total if total > 0 else padded


def by_relevance(relevance: np.ndarray, own: int) -> np.ndarray:
    """Return the positions of the other elements ``[n - 1]`` by falling sum of |R| ``[n, features]``."""
    others = np.delete(np.arange(len(relevance)), own)
    sums = np.abs(relevance.astype(np.float64)).sum(1)
    return others[np.argsort(-sums[others], kind="stable")]


def relevant_elements(relevance: np.ndarray, share: float = SHARE) -> int:
    """Return how many elements, the most relevant first, carry a share of |R| ``[n, features]``; 0: none has any."""
    size = np.sort(np.abs(relevance.astype(np.float64)).sum(1))[::-1]
    total = size.sum()
    if total == 0:
        return 0
    # Rounding must not ask for one element more than there is.
    return int(min(np.searchsorted(size.cumsum(), share * total * (1 - 1e-12)) + 1, len(size)))


class Mean:
    """Mean of arrays of one shape, with its error."""

    def __init__(self) -> None:
        self.count = 0
        self.sum: Any = 0.0
        self.squares: Any = 0.0

    def add(self, values: Any) -> None:
        """Take one in."""
        self.count += 1
        self.sum = self.sum + values
        self.squares = self.squares + np.square(values)

    def result(self) -> dict[str, Any]:
        """Return mean and error as JSON values; None for an error that one value can't have."""
        mean = np.asarray(self.sum / self.count)
        if self.count < 2:
            return {"mean": mean.tolist(), "error": None}
        spread = np.maximum(self.squares / self.count - np.square(mean), 0.0)
        return {"mean": mean.tolist(), "error": np.sqrt(spread / (self.count - 1)).tolist()}


class _Cell:
    """One output of the elements of one class and outcome."""

    def __init__(self, features: int, rows: int) -> None:
        self.kinds = np.zeros((rows, len(KINDS)), np.int64)
        self.map, self.neighbours, self.relevant, self.seen, self.features = (Mean() for _ in range(5))
        self.scores = np.zeros((features, len(BINS) - 1), np.int64)
        self.silent = 0

    def add(self, relevance: np.ndarray, own: int, kind: np.ndarray) -> None:
        """Take the map of one element in, with what the elements on it are."""
        rows = len(self.kinds)
        mapped = r_map(relevance, own, rows)
        if not mapped.any():
            self.silent += 1
            return
        self.map.add(mapped)
        others = by_relevance(relevance, own)[:rows]
        np.add.at(self.kinds, (np.arange(len(others)), kind[others]), 1)
        self.neighbours.add(1.0 - mapped[0].sum())
        self.relevant.add(float(relevant_elements(relevance)))
        self.seen.add(float(len(relevance)))
        values = relevance.astype(np.float64)
        signed = values.sum(0) / np.abs(values).sum()
        self.features.add(signed)
        place = np.clip(np.digitize(signed, BINS) - 1, 0, len(BINS) - 2)
        self.scores[np.arange(len(signed)), place] += 1

    def result(self) -> dict[str, Any]:
        """Return the averages as JSON values."""
        if not self.map.count:
            return {"elements": 0, "without_relevance": self.silent}
        return {
            "elements": self.map.count,
            "without_relevance": self.silent,
            "r_map": self.map.result(),
            "others": [dict(zip(KINDS, row, strict=True)) for row in self.kinds.tolist()],
            "neighbours_share": self.neighbours.result(),
            "relevant_elements": self.relevant.result(),
            "elements_seen": self.seen.result(),
            "signed_share": self.features.result(),
            "r_scores": self.scores.tolist(),
        }


class RMapAverages:
    """Averages over explained elements, gathered one by one.

    Parameters
    ----------
    rows
        Number of other elements on an R-map.
    features
        Number of features.
    """

    def __init__(self, rows: int, features: int) -> None:
        self.errors: list[float] = []
        self.cells = {
            (name, kind, outcome): _Cell(features, rows)
            for name in EXPLAINED
            for kind in range(len(CLASSES))
            for outcome in OUTCOMES
        }

    def add(self, element: ElementRelevance) -> None:
        """Take one explained element in."""
        outcome = OUTCOMES[element.predicted != element.true]
        self.errors.append(float(element.error.max()))
        for number, name in enumerate(EXPLAINED):
            self.cells[name, element.true, outcome].add(element.relevance[:, number], element.own, element.kind)

    def found(self) -> dict[str, Any]:
        """Return ``{output: {class: {outcome: ...}}}`` as JSON values."""
        return {
            name: {
                CLASSES[kind]: {outcome: self.cells[name, kind, outcome].result() for outcome in OUTCOMES}
                for kind in range(len(CLASSES))
            }
            for name in EXPLAINED
        }
