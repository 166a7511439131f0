"""Groomed prongs of a jet: recursive soft drop over a Cambridge/Aachen declustering.

Reference: Dreyer, Necib, Soyez and Thaler, JHEP 06 (2018) 093 (arXiv:1804.03657), section 2: of the branches at hand,
the one with the widest splitting is declustered; if the softer part carries enough of the momentum, both stay,
otherwise it is groomed away; until enough splittings passed. Where exclusive subjets take the widest branches however
soft they are, these prongs carry momentum.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .subjets import NONE, RADIUS, SUBJETS, one_cluster

__all__ = ["Z_CUT", "find_prongs"]

#: A splitting passes if its softer part has at least this share of the pT of both: z > z_cut, with beta = 0.
Z_CUT = 0.1


def find_prongs(
    particles: np.ndarray, *, count: int = SUBJETS, z_cut: float = Z_CUT, radius: float = RADIUS
) -> np.ndarray:
    """Assign every constituent of one jet to a groomed prong.

    Parameters
    ----------
    particles
        Real constituents ``[n, 4]``: E, px, py, pz in GeV.
    count
        Prongs to look for: one more than the splittings that must pass.
    z_cut
        Least share of the softer part of a splitting.
    radius
        Radius of the Cambridge/Aachen algorithm.

    Returns
    -------
    prong
        ``[n]`` int8: 0 for the prong with the highest pT, then 1, 2, …; `NONE` for what is groomed away, and for all
        constituents of a jet that doesn't recluster into exactly one. A jet may have fewer prongs than ``count``.
    """
    result = np.full(len(particles), NONE, np.int8)
    with one_cluster(particles, radius) as jet:
        if jet is None:
            return result
        prongs = sorted(_recursive_soft_drop(jet, count, z_cut), key=lambda prong: -prong.pt())
        for number, prong in enumerate(prongs):
            result[[part.user_index() for part in prong.constituents()]] = number
    return result


def _recursive_soft_drop(jet: Any, count: int, z_cut: float) -> Iterator[Any]:
    """Give the prongs that are left once ``count - 1`` splittings passed, or nothing is left to decluster."""
    import fastjet

    branches, done = [jet], list[Any]()
    while branches and len(branches) + len(done) < count:
        widest = max(range(len(branches)), key=lambda number: _width(branches[number]))
        branch = branches.pop(widest)
        harder, softer = fastjet.PseudoJet(), fastjet.PseudoJet()
        if not branch.has_parents(harder, softer):
            done.append(branch)
            continue
        if harder.pt() < softer.pt():
            harder, softer = softer, harder
        branches.append(harder)
        if softer.pt() > z_cut * (harder.pt() + softer.pt()):
            branches.append(softer)
    yield from (*branches, *done)


def _width(branch: Any) -> float:
    """Return Delta R of a branch's last clustering; -1 for a single constituent."""
    import fastjet

    first, second = fastjet.PseudoJet(), fastjet.PseudoJet()
    return float(first.delta_R(second)) if branch.has_parents(first, second) else -1.0
