"""Which jets are drawn: by a stated rule, so that there are prongs to see.

A jet has prongs to see if each of its three Cambridge/Aachen subjets carries at least a tenth of the jet's pT. The
first of these are drawn; where there are too few, then those whose softest subjet carries most.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..study.relevances import Relevances
from .subjets import NONE, SUBJETS

__all__ = ["RULE", "SHARE", "choose_shown", "softest_share"]

#: Least share of the jet's pT in each of three subjets.
SHARE = 0.1
RULE = f"three C/A subjets with at least {SHARE:.0%} of the jet's pT each"


def softest_share(part: Relevances, momenta: np.ndarray) -> np.ndarray:
    """Return which share of a jet's pT its softest subjet carries ``[jets]``; 0 where a jet isn't declustered.

    Parameters
    ----------
    part
        Relevances of some jets, with their subjets.
    momenta
        E, px, py, pz of their constituents ``[jets, constituents, 4]``.
    """
    subjet, transverse = part["element/subjet"], momenta[..., 1:3]
    each = np.stack([(transverse * (subjet == number)[..., None]).sum(1) for number in range(SUBJETS)], 1)
    whole = np.hypot(*np.moveaxis((transverse * part.mask[..., None]).sum(1), -1, 0))
    share = np.hypot(each[..., 0], each[..., 1]).min(1) / np.maximum(whole, 1e-300)
    return np.where((subjet != NONE).any(1), share, 0.0)


def choose_shown(parts: Iterable[tuple[Relevances, np.ndarray]], classes: int, count: int) -> list[Relevances]:
    """Return the jets to draw, those of the last class first.

    Parameters
    ----------
    parts
        Relevances of some jets, and the share of the softest subjet of each (`softest_share`), part by part.
    classes
        Number of classes.
    count
        Jets of each class, at most.
    """
    best: list[list[tuple[float, int, Relevances]]] = [[] for _ in range(classes)]
    seen = 0
    for part, shares in parts:
        for number, (label, share) in enumerate(zip(part["example/label"], shares, strict=True)):
            if share > 0:
                row = (-min(float(share), SHARE), seen, part.row(number))
                chosen = sorted([*best[int(label)], row], key=lambda one: one[:2])
                best[int(label)] = chosen[:count]
            seen += 1
    return [row for rows in reversed(best) for _, _, row in rows]
