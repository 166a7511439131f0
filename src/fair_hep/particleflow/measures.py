"""Measures of reconstructed particles against generated ones, element by element, with errors.

Definitions are those of Pata et al., arXiv:2101.08578: the efficiency of a class is the share of its elements that get
it, the fake rate the share of those that get it without being it, the response ``(reconstructed - generated) /
generated`` cut at +-10, its resolution the standard deviation. Errors come from events, as elements of one event aren't
independent: a delete-one-block jackknife.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..bundle.quantities import difference_in_phi
from .columns import CLASSES
from .particles import Particles

__all__ = [
    "CUT", "Measure", "confusions", "efficiency", "efficiency_at", "f1", "fake_rate", "jackknife", "margins",
    "multiplicities", "response", "width",
]  # fmt: skip

#: Responses beyond it count as it.
CUT = 10.0
#: Blocks of events that the jackknife leaves out in turn.
BLOCKS = 20


@dataclass(frozen=True)
class Measure:
    """A number with its statistical error; the error is None where one event or none is too few to tell."""

    value: float
    error: float | None

    def text(self, digits: int = 3) -> str:
        """Return it for humans."""
        return f"{self.value:.{digits}f}" + (f" +- {self.error:.{digits}f}" if self.error is not None else "")


def jackknife(statistic: Callable[[np.ndarray], float], event: np.ndarray, events: int) -> Measure | None:
    """Measure something with an error from leaving out blocks of events.

    Parameters
    ----------
    statistic
        Gives a number from the entries that are chosen ``[entries]``, boolean; not finite: it can't be told.
    event
        The event of every entry ``[entries]``.
    events
        Number of events.

    Returns
    -------
    measure
        None if there is no finite value.
    """
    value = statistic(np.ones(len(event), dtype=bool))
    if not np.isfinite(value):
        return None
    blocks = min(BLOCKS, events)
    if blocks < 2:
        return Measure(float(value), None)
    block = event * blocks // events
    others = np.array([statistic(block != number) for number in range(blocks)])
    if not np.isfinite(others).all():
        return Measure(float(value), None)
    return Measure(float(value), float(np.sqrt((blocks - 1) * others.var())))


def confusions(truth: np.ndarray, found: np.ndarray, event: np.ndarray, events: int) -> np.ndarray:
    """Count elements by event, true class and class found: ``[events, 6, 6]``."""
    kinds = len(CLASSES)
    cell = (event * kinds + truth) * kinds + found
    return np.bincount(cell, minlength=events * kinds**2).reshape(events, kinds, kinds)


def efficiency(confusion: np.ndarray) -> np.ndarray:
    """Return the efficiency of every class ``[..., 6]``; NaN for a class that doesn't occur."""
    return _share(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1))


def efficiency_at(margin: np.ndarray, is_it: np.ndarray, fakes: float) -> float:
    """Return the largest efficiency of a class at a fake rate of at most ``fakes``.

    Parameters
    ----------
    margin
        How clearly an element is of the class ``[elements]``; those above a threshold get it.
    is_it
        Whether it is ``[elements]``.
    fakes
        Fake rate in [0, 1].
    """
    if not is_it.any():
        return float("nan")
    order = np.argsort(-margin, kind="stable")
    right = is_it[order].cumsum()
    allowed = 1 - right / np.arange(1, len(right) + 1) <= fakes
    return float(right[allowed].max(initial=0) / is_it.sum())


def margins(logits: np.ndarray) -> np.ndarray:
    """Return by how much each logit exceeds the largest of the others ``[elements, classes]``."""
    values = np.asarray(logits, np.float64)
    others = [np.delete(values, kind, 1).max(1) for kind in range(values.shape[1])]
    return np.asarray(values - np.stack(others, 1))


def fake_rate(confusion: np.ndarray) -> np.ndarray:
    """Return the fake rate of every class ``[..., 6]``; NaN for a class that is never found."""
    return 1.0 - _share(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-2))


def f1(confusion: np.ndarray) -> np.ndarray:
    """Return ``2 right / (true + found)`` of every class ``[..., 6]``: the harmonic mean of efficiency and purity."""
    return _share(2 * np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1) + confusion.sum(-2))


def response(found: Particles, truth: Particles, quantity: str) -> np.ndarray:
    """Return the response of a quantity for every element: relative, or the difference for eta and phi."""
    if quantity == "phi":
        return difference_in_phi(found.phi, truth.phi)
    first, second = getattr(found, quantity), getattr(truth, quantity)
    if quantity == "eta":
        return np.asarray(first - second)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = (first - second) / second
    return np.clip(np.where(second != 0, relative, np.nan), -CUT, CUT)


def width(values: np.ndarray) -> float:
    """Return half the distance between the 16 % and the 84 % quantile: the width of the core."""
    if not len(values):
        return float("nan")
    low, high = np.quantile(values, [0.16, 0.84])
    return float(high - low) / 2


def multiplicities(pid: np.ndarray, kinds: Sequence[int], event: np.ndarray, events: int) -> np.ndarray:
    """Count the particles of some classes in every event ``[events]``."""
    return np.bincount(event[np.isin(pid, kinds)], minlength=events)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(whole > 0, part / whole, np.nan))
