"""Measures of a two-class tagger: area under the ROC curve, background rejection, working points, and their errors.

Scores are logit differences, never labels or saturated probabilities. The signal is class 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["WorkingPoint", "area", "area_difference", "curve", "working_point", "working_points"]

Floats = NDArray[np.float64]
FEW = 10
CONFIDENCE = 0.95


@dataclass(frozen=True)
class WorkingPoint:
    """A cut on the score and what passes it.

    Parameters
    ----------
    threshold
        Jets with a score at or above it pass.
    signal_efficiency, signal_error
        Fraction of the signal that passes, and its binomial standard error.
    background_efficiency, background_error
        Fraction of the background that passes, and its binomial standard error.
    background_passed
        Number of background jets that pass.
    rejection, rejection_error
        1 / background efficiency with its standard error; None where fewer than 10 background jets pass.
    rejection_limit
        Lower limit of the rejection at 95 % confidence (Clopper-Pearson, one-sided).
    """

    threshold: float
    signal_efficiency: float
    signal_error: float
    background_efficiency: float
    background_error: float
    background_passed: int
    rejection: float | None
    rejection_error: float | None
    rejection_limit: float

    def text(self) -> str:
        """Return the rejection for a human: a value with its error, or a limit."""
        if self.rejection is None:
            return f"> {self.rejection_limit:.0f} (95 % CL, {self.background_passed} background jets pass)"
        return f"{self.rejection:.0f} +- {self.rejection_error:.0f}"


def area(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> tuple[float, float]:
    """Return the area under the ROC curve and its standard error.

    Parameters
    ----------
    scores
        ``[jets]``, larger for signal; ties count half.
    labels
        ``[jets]``, 1 for signal and 0 for background.

    Raises
    ------
    ValueError
        If one of the classes is missing or a score isn't finite.

    Notes
    -----
    The error is DeLong's (Biometrics 44 (1988) 837), from the placement of every jet among those of the other class.
    """
    signal, background = _split(scores, labels)
    above = _placements(background, signal)
    below = _placements(signal, background)
    variance = above.var() / max(1, len(signal) - 1) + below.var() / max(1, len(background) - 1)
    return float(above.mean()), float(np.sqrt(variance))


def curve(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> tuple[Floats, Floats]:
    """Return the ROC curve: what passes the cut at each score that occurs, from the highest to the lowest.

    Parameters
    ----------
    scores
        ``[jets]``, larger for signal.
    labels
        ``[jets]``, 1 for signal and 0 for background.

    Returns
    -------
    background, signal
        Efficiencies of the two classes ``[1 + number of different scores]``, each from 0 to 1.

    Raises
    ------
    ValueError
        If one of the classes is missing or a score isn't finite.
    """
    signal, background = _split(scores, labels)
    cuts = np.unique(np.concatenate([signal, background]))[::-1]
    passed = [len(part) - np.searchsorted(np.sort(part), cuts) for part in (background, signal)]
    first, second = (np.concatenate([[0], counts]) / counts[-1] for counts in passed)
    return first, second


def area_difference(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    samples: int = 200,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the difference of two areas on the same jets (first minus second), and its paired-bootstrap error."""
    generator = np.random.default_rng(seed)
    orders = [_Order(scores, labels) for scores in (first, second)]
    size = len(labels)
    draws = np.empty(samples)
    for number in range(samples):
        weights = np.bincount(generator.integers(size, size=size), minlength=size)
        draws[number] = orders[0].area(weights) - orders[1].area(weights)
    ones = np.ones(size, dtype=np.int64)
    return orders[0].area(ones) - orders[1].area(ones), float(draws.std(ddof=1))


def working_point(scores: NDArray[np.floating], labels: NDArray[np.integer], efficiency: float) -> WorkingPoint:
    """Return the tightest cut that keeps at least the given fraction of the signal.

    Raises
    ------
    ValueError
        If a class is missing, a score isn't finite, or the efficiency isn't in (0, 1].
    """
    from scipy.special import betaincinv

    if not 0 < efficiency <= 1:
        raise ValueError(f"signal efficiency: got {efficiency}, expected a value in (0, 1]")
    signal, background = _split(scores, labels)
    kept = int(np.ceil(efficiency * len(signal) - 1e-9))
    threshold = float(np.sort(signal)[len(signal) - kept])
    passed, total = int((background >= threshold).sum()), len(background)
    signal_efficiency = float((signal >= threshold).mean())
    rate = passed / total
    upper = 1.0 if passed == total else float(betaincinv(passed + 1, total - passed, CONFIDENCE))
    enough = passed >= FEW
    error = float(np.sqrt(rate * (1 - rate) / total))
    return WorkingPoint(
        threshold=threshold,
        signal_efficiency=signal_efficiency,
        signal_error=float(np.sqrt(signal_efficiency * (1 - signal_efficiency) / len(signal))),
        background_efficiency=rate,
        background_error=error,
        background_passed=passed,
        rejection=1 / rate if enough else None,
        rejection_error=error / rate**2 if enough else None,
        rejection_limit=1 / upper,
    )


def working_points(
    scores: NDArray[np.floating], labels: NDArray[np.integer], efficiencies: Sequence[float]
) -> list[WorkingPoint]:
    """Return the working points at several signal efficiencies."""
    return [working_point(scores, labels, efficiency) for efficiency in efficiencies]


class _Order:
    """Scores sorted once, so that weighted areas cost one pass."""

    def __init__(self, scores: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
        _split(scores, labels)
        self.order = np.argsort(scores, kind="stable")
        ranked = scores[self.order]
        self.starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
        self.signal = labels[self.order] == 1

    def area(self, weights: NDArray[np.integer]) -> float:
        """Return the area where jet i counts ``weights[i]`` times."""
        ranked = weights[self.order]
        signal = np.add.reduceat(ranked * self.signal, self.starts)
        background = np.add.reduceat(ranked * ~self.signal, self.starts)
        below = np.cumsum(background) - background / 2
        return float((signal * below).sum() / (signal.sum() * background.sum()))


def _placements(others: Floats, scores: Floats) -> Floats:
    """Return for every score the fraction of the others below it, ties counted half; 1 - that for a swapped call."""
    ranked = np.sort(others)
    below = np.searchsorted(ranked, scores, side="left")
    upto = np.searchsorted(ranked, scores, side="right")
    return (below + upto) / (2.0 * len(ranked))


def _split(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> tuple[Floats, Floats]:
    if not np.isfinite(scores).all():
        raise ValueError(f"scores: got {int((~np.isfinite(scores)).sum())} values that aren't finite, expected none")
    values = np.asarray(scores, dtype=np.float64)
    signal, background = values[labels == 1], values[labels == 0]
    if not len(signal) or not len(background):
        raise ValueError(f"labels: got {len(signal)} signal and {len(background)} background jets, expected both")
    return signal, background
