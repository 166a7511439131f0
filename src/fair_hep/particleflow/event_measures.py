"""What whole events say of their particles: missing transverse momentum, and jets matched to generated jets."""

from __future__ import annotations

import itertools

import numpy as np

from ..bundle.quantities import difference_in_phi
from .measures import CUT
from .particles import Particles

__all__ = ["JETS", "cluster", "jet_responses", "missing_momentum"]

#: Anti-kT jets (Cacciari, Salam and Soyez, JHEP 04 (2008) 063): radius, least pT in GeV, largest |eta|, and how near a
#: jet must be to match.
JETS = {"radius": 0.4, "pt_min": 15.0, "eta_max": 4.5, "match": 0.2}


def missing_momentum(particles: Particles, event: np.ndarray, events: int) -> np.ndarray:
    """Return the missing transverse momentum of every event, (px, py) in GeV ``[events, 2]``."""
    px, py = particles.pt * np.cos(particles.phi), particles.pt * np.sin(particles.phi)
    return -np.stack([np.bincount(event, values, minlength=events) for values in (px, py)], 1)


def jet_responses(found: Particles, truth: Particles, offsets: np.ndarray) -> dict[str, np.ndarray]:
    """Cluster both sets of particles event by event, and match every generated jet to the nearest one found.

    Returns
    -------
    jets
        ``event``, ``pt`` and ``eta`` of every generated jet; ``response``, the relative difference of pT cut at +-10,
        or NaN where no jet was found within the distance of a match.
    """
    parts = []
    for number, (start, stop) in enumerate(itertools.pairwise(offsets)):
        chosen = slice(int(start), int(stop))
        parts.append(_match(cluster(found[chosen]), cluster(truth[chosen]), number))
    joined = np.concatenate(parts) if parts else np.zeros((0, 4))
    names = ("event", "pt", "eta", "response")
    return {name: joined[:, place].astype(np.int64 if name == "event" else float) for place, name in enumerate(names)}


def cluster(particles: Particles) -> np.ndarray:
    """Return the anti-kT jets of one event ``[jets, 3]``: pT in GeV, eta, phi, the hardest first."""
    import fastjet

    real = particles[particles.known & (particles.pid > 0)]
    pt, phi, eta = real.pt, real.phi, real.eta
    momenta = zip(pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), real.energy, strict=True)
    inputs = [fastjet.PseudoJet(*map(float, momentum)) for momentum in momenta]
    if not inputs:
        return np.zeros((0, 3))
    clusters = fastjet.ClusterSequence(inputs, fastjet.JetDefinition(fastjet.antikt_algorithm, JETS["radius"]))
    jets = fastjet.sorted_by_pt(clusters.inclusive_jets(JETS["pt_min"]))
    found = [(jet.pt(), jet.eta(), jet.phi()) for jet in jets if abs(jet.eta()) < JETS["eta_max"]]
    return np.array(found).reshape(-1, 3)


def _match(found: np.ndarray, truth: np.ndarray, event: int) -> np.ndarray:
    """Return a row for every generated jet: event, pT, eta, response."""
    answer = np.full(len(truth), np.nan)
    if len(found) and len(truth):
        apart = np.hypot(found[None, :, 1] - truth[:, None, 1], difference_in_phi(found[None, :, 2], truth[:, None, 2]))
        nearest = apart.argmin(1)
        near = apart[np.arange(len(truth)), nearest] < JETS["match"]
        answer[near] = np.clip(found[nearest[near], 0] / truth[near, 0] - 1, -CUT, CUT)
    return np.column_stack([np.full(len(truth), event), truth[:, :2], answer])
