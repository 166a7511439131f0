"""Whether the relevance of whole jets follows what is known to tell tops from QCD: mass and N-subjettiness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["OBSERVABLES", "correlations", "spearman"]

#: What the summed relevance of a jet is compared with, where it is known.
OBSERVABLES = ("tau32", "tau21", "mass")
#: Fewer jets have no correlation worth a number.
FEWEST = 5


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rank correlation of two lists; equal values share the mean of their ranks.

    NaN for fewer than two entries, or where all of one list are equal.
    """
    ranks = np.stack([_ranks(np.asarray(values, np.float64)) for values in (first, second)])
    if ranks.shape[1] < 2 or not (ranks.std(1) > 0).all():
        return float("nan")
    return float(np.corrcoef(ranks)[0, 1])


def correlations(jets: Mapping[str, np.ndarray], chosen: Mapping[str, np.ndarray], draws: int) -> dict[str, Any]:
    """Return rank correlations of summed relevance with observables, of all jets and of every class.

    Parameters
    ----------
    jets
        By name ``[jets]``: "summed" (relevance) and some of `OBSERVABLES`; NaN where one isn't defined.
    chosen
        Which jets are of which class.
    draws
        Draws of the bootstrap that gives the error; 0: no error.

    Returns
    -------
    found
        By observable and class (or "all") ``{"mean", "error"}``, None where there are too few jets.
    """
    groups = {"all": np.ones(len(jets["summed"]), bool), **chosen}
    return {
        name: {kind: _correlation(jets["summed"][rows], jets[name][rows], draws) for kind, rows in groups.items()}
        for name in OBSERVABLES
        if name in jets
    }


def _correlation(first: np.ndarray, second: np.ndarray, draws: int) -> dict[str, float | None]:
    usable = np.isfinite(first) & np.isfinite(second)
    first, second = first[usable], second[usable]
    value = spearman(first, second) if len(first) >= FEWEST else float("nan")
    if not np.isfinite(value):
        return {"mean": None, "error": None}
    if not draws:
        return {"mean": value, "error": None}
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(draws):
        rows = generator.integers(len(first), size=len(first))
        drawn.append(spearman(first[rows], second[rows]))
    return {"mean": value, "error": float(np.nanstd(drawn, ddof=1))}


def _ranks(values: np.ndarray) -> np.ndarray:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean: np.ndarray = ends - (counts - 1) / 2
    return mean[where]
