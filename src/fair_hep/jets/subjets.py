"""Subjets: the exclusive Cambridge/Aachen prongs of a jet, with FastJet.

References: Dokshitzer et al., JHEP 08 (1997) 001 (Cambridge/Aachen); Cacciari, Salam and Soyez, Eur. Phys. J. C 72
(2012) 1896 (FastJet).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["NONE", "RADIUS", "SUBJETS", "find_subjets", "jet_by_jet", "one_cluster"]

SUBJETS = 3
RADIUS = 0.8
#: Mark of constituents whose jet can't be declustered.
NONE = -1


def find_subjets(particles: np.ndarray, *, count: int = SUBJETS, radius: float = RADIUS) -> np.ndarray:
    """Assign every constituent of one jet to a subjet.

    Parameters
    ----------
    particles
        Real constituents ``[n, 4]``: E, px, py, pz in GeV.
    count
        Number of exclusive subjets.
    radius
        Radius of the Cambridge/Aachen algorithm.

    Returns
    -------
    subjet
        ``[n]`` int8: 0 for the subjet with the highest pT, then 1, 2, …; `NONE` for all if the jet has fewer than
        ``count`` constituents, or doesn't recluster into exactly one jet.
    """
    import fastjet

    result = np.full(len(particles), NONE, np.int8)
    if len(particles) < count:
        return result
    with one_cluster(particles, radius) as jet:
        if jet is not None:
            for number, subjet in enumerate(fastjet.sorted_by_pt(jet.exclusive_subjets(count))):
                result[[part.user_index() for part in subjet.constituents()]] = number
    return result


@contextlib.contextmanager
def one_cluster(particles: np.ndarray, radius: float = RADIUS) -> Iterator[Any]:
    """Give constituents ``[n, 4]`` (E, px, py, pz in GeV) as one Cambridge/Aachen jet; None if they aren't exactly one.

    The jet's constituents bear their numbers as ``user_index()``. It lives as long as the context does.
    """
    import fastjet

    inputs = []
    for number, (energy, px, py, pz) in enumerate(np.asarray(particles, np.float64)):
        pseudojet = fastjet.PseudoJet(float(px), float(py), float(pz), float(energy))
        # Constituents are found again by number, never by their momenta.
        pseudojet.set_user_index(number)
        inputs.append(pseudojet)
    if not inputs:
        yield None
        return
    clusters = fastjet.ClusterSequence(inputs, fastjet.JetDefinition(fastjet.cambridge_algorithm, radius))
    jets = clusters.inclusive_jets()
    yield jets[0] if len(jets) == 1 else None


def jet_by_jet(find: Callable[[np.ndarray], np.ndarray], particles: np.ndarray) -> np.ndarray:
    """Assign the constituents of padded jets ``[jets, constituents, 4]`` to parts: int8, `NONE` for padding.

    Parameters
    ----------
    find
        Assigns the constituents of one jet, such as `find_subjets`.
    particles
        E, px, py, pz; a constituent has E > 0.
    """
    result = np.full(particles.shape[:2], NONE, np.int8)
    for jet, momenta in enumerate(particles):
        real = momenta[:, 0] > 0
        result[jet, real] = find(momenta[real])
    return result
