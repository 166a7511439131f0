"""What relevances of many examples say on average: by feature, by rank, and how well their accounts close."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .averages import by_class, finite, spread
from .relevances import Relevances

__all__ = ["RANKS", "Summary", "over_networks"]

#: Ranks that are told apart.
RANKS = 40


class Summary:
    """What is known of the examples that one network explained, gathered part by part; a recipe may gather more.

    Parameters
    ----------
    classes
        Names of the classes, in the order of their labels.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._labels: list[np.ndarray] = []
        self._errors: list[np.ndarray] = []
        self._bias: list[np.ndarray] = []
        self.shares: dict[str, list[np.ndarray]] = {"feature": [], "rank": [], "signed": []}

    def add(self, part: Relevances) -> None:
        """Take examples in."""
        self._labels.append(part["example/label"])
        self._errors.append(part["ledger/error"])
        parts = [np.abs(part[f"ledger/{name}"].astype(np.float64)) for name in ("bias", "inputs")]
        self._bias.append(np.stack([parts[0] / np.maximum(parts[0] + parts[1], 1e-300), parts[0] > parts[1]], 1))
        relevance = part["element/relevance"].astype(np.float64)
        size = np.abs(relevance)
        total = np.maximum(size.sum((1, 2)), 1e-300)[:, None]
        ranks = size.sum(2)[:, :RANKS]
        self.shares["feature"].append(size.sum(1) / total)
        self.shares["rank"].append(np.pad(ranks, [(0, 0), (0, RANKS - ranks.shape[1])]) / total)
        self.shares["signed"].append(relevance.sum(1) / total)

    @property
    def error(self) -> float:
        """Largest error of an example's ledger."""
        return float(max(errors.max() for errors in self._errors))

    def above(self, tolerance: float) -> int:
        """Return how many examples have a ledger that is open by more than this."""
        return sum(int((errors > tolerance).sum()) for errors in self._errors)

    def chosen(self) -> dict[str, np.ndarray]:
        """Return which examples are of which class."""
        labels = np.concatenate(self._labels)
        return {name: labels == number for number, name in enumerate(self.classes)}

    def found(self, *, draws: int = 200) -> dict[str, Any]:
        """Return all that was gathered as JSON values.

        Parameters
        ----------
        draws
            Draws of a bootstrap, for measures whose errors need one; 0: none.
        """
        chosen, errors = self.chosen(), np.concatenate(self._errors)
        return {
            "examples": {name: int(rows.sum()) for name, rows in chosen.items()},
            "ledger": {
                "largest_error": float(errors.max()),
                "median_error": float(np.median(errors)),
                "bias": self._biases(),
            },
            "shares": {name: by_class(np.concatenate(rows), chosen) for name, rows in self.shares.items()},
        }

    def _biases(self) -> dict[str, float | None]:
        """Return how much biases carry: |bias| / (|bias| + |relevance|), and how often more than the relevance."""
        rows = np.concatenate(self._bias)
        found = by_class(rows, {"all": np.ones(len(rows), bool)})["all"]
        (share, above), (error, above_error) = found["mean"], found["error"]
        return {"share": share, "error": error, "above_relevance": above, "above_relevance_error": above_error}

    def average(self, tables: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the mean of what several networks found (`found`), with their spread as its error."""
        return {
            "shares": {
                name: {kind: over_networks([t["shares"][name][kind]["mean"] for t in tables]) for kind in self.classes}
                for name in self.shares
            }
        }


def over_networks(rows: Sequence[Sequence[float | None]]) -> dict[str, Any]:
    """Return mean and spread over networks of the same numbers of each, as JSON values."""
    values = np.array(rows, np.float64)
    return {"mean": finite(values.mean(0)), "error": finite(spread(values))}
