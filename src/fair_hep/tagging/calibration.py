"""How far probabilities can be taken at their word: reliability, expected calibration error, and a temperature.

Expected calibration error and temperature as in Guo, Pleiss, Sun and Weinberger, arXiv:1706.04599, with bins of equally
many examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..bundle.errors import DataError
from ..bundle.files import new_file
from ..pages.figures import COLOURS, figure

__all__ = ["Calibration", "calibration", "draw_reliability", "fit_temperature", "stated"]

Floats = NDArray[np.float64]
#: Bins of equally many examples, and draws for errors.
BINS, DRAWS = 10, 200
#: Temperatures that a fit may find.
LOWEST, HIGHEST = 0.02, 50.0


@dataclass(frozen=True)
class Calibration:
    """What was found about probabilities.

    Parameters
    ----------
    error, spread
        Expected calibration error, the mean distance of share and probability over bins, and its bootstrap error.
    chance, chance_spread
        Mean and spread of what a perfectly calibrated network would show on as many examples: never 0.
    probability, share, share_error, counts
        Of every bin ``[bins]``: mean probability, share of examples for which it came true with its binomial error.
    """

    error: float
    spread: float
    chance: float
    chance_spread: float
    probability: Floats
    share: Floats
    share_error: Floats
    counts: NDArray[np.integer]

    def metrics(self) -> dict[str, float]:
        """Return the scalars by name."""
        return {
            "calibration_error": self.error,
            "calibration_error_error": self.spread,
            "calibration_error_by_chance": self.chance,
            "calibration_error_by_chance_error": self.chance_spread,
        }


def stated(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return what a network states with which probability, and whether it came true.

    With two classes that is the signal's probability, with more the largest one's.
    """
    values = np.asarray(logits, np.float64)
    powers = np.exp(values - values.max(1, keepdims=True))
    probabilities = powers / powers.sum(1, keepdims=True)
    if probabilities.shape[1] == 2:
        return probabilities[:, 1], labels == 1
    return probabilities.max(1), probabilities.argmax(1) == labels


def calibration(probability: Floats, came: NDArray[np.bool_], *, bins: int = BINS, seed: int = 0) -> Calibration:
    """Compare probabilities with what came true, in bins of equally many examples.

    Parameters
    ----------
    probability
        What was stated ``[examples]``, between 0 and 1.
    came
        Whether it came true ``[examples]``.
    bins
        Number of bins, fewer where there are fewer examples.
    seed
        Of the draws for the errors.

    Raises
    ------
    DataError
        If a probability isn't between 0 and 1, or there are none.
    """
    if not len(probability) or not ((probability >= 0) & (probability <= 1)).all():
        raise DataError(f"calibration: got {len(probability)} probabilities, expected some, all between 0 and 1")
    size, draw = len(probability), np.random.default_rng(seed)
    place = np.empty(size, np.int64)
    place[np.argsort(probability, kind="stable")] = np.arange(size) * min(bins, size) // size
    ones = np.ones(size)
    anew = [_error(place, probability, came, np.bincount(draw.integers(size, size=size), minlength=size))
            for _ in range(DRAWS)]  # fmt: skip
    chance = [_error(place, probability, draw.random(size) < probability, ones) for _ in range(DRAWS)]
    counts = np.bincount(place)
    share = np.bincount(place, came) / counts
    return Calibration(
        error=_error(place, probability, came, ones),
        spread=float(np.std(anew, ddof=1)),
        chance=float(np.mean(chance)),
        chance_spread=float(np.std(chance, ddof=1)),
        probability=np.bincount(place, probability) / counts,
        share=share,
        share_error=np.sqrt(np.maximum(share * (1 - share), 1 / counts) / counts),
        counts=counts,
    )


def _error(
    place: NDArray[np.integer],
    probability: Floats,
    came: NDArray[np.bool_],
    weight: NDArray[np.floating] | NDArray[np.integer],
) -> float:
    """Return the expected calibration error where example i counts ``weight[i]`` times."""
    apart = np.bincount(place, weight * (came - probability))
    return float(np.abs(apart).sum() / weight.sum())


def draw_reliability(found: Calibration, path: Path, what: str) -> None:
    """Draw what came true against what was stated."""
    with new_file(path) as name, figure() as (picture, axes):
        axes.plot([0, 1], [0, 1], linestyle=":", color=COLOURS["grey"], label="calibrated")
        style = {"fmt": "o", "capsize": 3, "color": COLOURS["blue"]}
        text = f"calibration error {found.error:.4f} ± {found.spread:.4f}\n({found.chance:.4f} by chance)"
        axes.errorbar(found.probability, found.share, yerr=found.share_error, label=text, **style)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.05, 1.05), xlabel=f"Predicted probability of {what}")
        axes.set(ylabel=f"Share of {what}")
        axes.legend(title=f"{int(found.counts.sum())} test jets, {len(found.counts)} bins", loc="upper left")
        picture.savefig(name)


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> tuple[float, float]:
    """Return the temperature that makes the labels most likely, and its standard error.

    Parameters
    ----------
    logits
        ``[examples, classes]`` of examples that the network didn't learn from.
    labels
        ``[examples]``.

    Raises
    ------
    DataError
        If no temperature between 0.02 and 50 does: the classes are told apart without an error, or not at all.
    """
    from scipy.optimize import minimize_scalar

    values, rows = np.asarray(logits, np.float64), np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = values / np.exp(log_temperature)
        highest = scaled.max(1)
        return float((np.log(np.exp(scaled - highest[:, None]).sum(1)) + highest - scaled[rows, labels]).mean())

    low, high = float(np.log(LOWEST)), float(np.log(HIGHEST))
    best = float(minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6}).x)
    step = 1e-2
    curvature = (loss(best + step) - 2 * loss(best) + loss(best - step)) / step**2
    if min(best - low, high - best) < 0.05 or curvature <= 0:
        raise DataError(
            f"export.temperature: fit found none on {len(labels)} validation examples between {LOWEST:g} and "
            f"{HIGHEST:g}: give a number, or none"
        )
    temperature = float(np.exp(best))
    return temperature, temperature / float(np.sqrt(curvature * len(labels)))
