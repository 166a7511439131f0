"""What jets are made of: visible particles, or a detector's energy flow with the particles behind each object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.toptag import ORIGINS
from ..detector.calorimeter import Cells, deposit
from ..detector.cards import Card
from ..detector.energy_flow import scaled_and_excess
from ..detector.particles import Particles
from ..detector.propagation import leave
from ..detector.tracks import Tracks, measure

__all__ = ["Objects", "energy_flow", "visible"]

_NEUTRINOS = (12, 14, 16)


@dataclass(frozen=True)
class Objects:
    """Objects that jets are clustered from, of some events.

    Parameters
    ----------
    momentum
        E, px, py, pz in GeV ``[n, 4]``.
    event
        Event of each ``[n]``.
    of, particle, energy
        Which particle gave which object how much energy in GeV, ``[pairs]`` each.
    """

    momentum: np.ndarray
    event: np.ndarray
    of: np.ndarray
    particle: np.ndarray
    energy: np.ndarray

    def origins(self, codes: np.ndarray) -> np.ndarray:
        """Return for every object the origin that gave most of its energy ``[n]`` int8.

        Parameters
        ----------
        codes
            Origins of the particles, of `ORIGINS`.
        """
        kinds = 1 + max(ORIGINS.values())
        place = self.of * kinds + codes[self.particle]
        shares = np.bincount(place, self.energy, kinds * len(self.momentum)).reshape(-1, kinds)
        return shares.argmax(1).astype(np.int8)


def visible(particles: Particles, event: np.ndarray, eta_max: float) -> Objects:
    """Return the particles themselves, but for neutrinos, up to some pseudorapidity."""
    pt = np.hypot(particles.momentum[:, 0], particles.momentum[:, 1])
    inside = np.abs(particles.momentum[:, 2]) < np.sinh(eta_max) * pt
    chosen = np.flatnonzero(inside & ~np.isin(np.abs(particles.pdg), _NEUTRINOS))
    energy = particles.energy[chosen]
    momentum = np.concatenate([energy[:, None], particles.momentum[chosen]], 1)
    return Objects(momentum, event[chosen], np.arange(len(chosen)), chosen, energy)


def energy_flow(particles: Particles, event: np.ndarray, card: Card, random: np.random.Generator) -> Objects:
    """Return what a detector makes of particles: tracks, photons and neutral hadrons, all without mass.

    Parameters
    ----------
    particles
        Stable particles of some events.
    event
        Event of each ``[particles]``.
    card
        The detector.
    random
        Where every efficiency and resolution is drawn from.
    """
    exit_ = leave(particles, card.solenoid)
    tracks = measure(card.tracking, particles, exit_, random)
    cells = [deposit(calorimeter, particles, exit_, random, event) for calorimeter in (card.ecal, card.hcal)]
    pt, excess = tracks.pt, []
    for calorimeter, measured in zip((card.ecal, card.hcal), cells, strict=True):
        pt, beyond = scaled_and_excess(calorimeter, measured, particles, tracks, pt)
        excess.append(beyond)
    parts = [_tracks(particles, event, tracks, pt)]
    for calorimeter, measured, beyond in zip((card.ecal, card.hcal), cells, excess, strict=True):
        given = calorimeter.shares(particles.pdg) * particles.energy
        parts.append(_neutrals(measured, beyond, given, tracks))
    shift = np.cumsum([0, *(len(part.momentum) for part in parts)])
    of = np.concatenate([part.of + start for part, start in zip(parts, shift, strict=False)])
    return Objects(
        np.concatenate([part.momentum for part in parts]),
        np.concatenate([part.event for part in parts]),
        of,
        np.concatenate([part.particle for part in parts]),
        np.concatenate([part.energy for part in parts]),
    )


def _tracks(particles: Particles, event: np.ndarray, tracks: Tracks, pt: np.ndarray) -> Objects:
    chosen = tracks.particle
    momentum = _massless(pt, tracks.eta, tracks.phi)
    return Objects(momentum, event[chosen], np.arange(len(chosen)), chosen, particles.energy[chosen])


def _neutrals(cells: Cells, excess: np.ndarray, given: np.ndarray, tracks: Tracks) -> Objects:
    """Return the neutral objects of a calorimeter; behind each are the particles in its cell that have no track.

    An excess over nothing but tracks is one of the measurement: all particles of its cell stand behind it.
    """
    some = excess > 0
    momentum = _massless(excess[some] / np.cosh(cells.eta[some]), cells.eta[some], cells.phi[some])
    number = np.full(len(some), -1)
    number[some] = np.arange(some.sum())
    hit = np.flatnonzero(cells.of >= 0)
    of = cells.of[hit]
    untracked = np.ones(len(cells.of), bool)
    untracked[tracks.particle] = False
    neutral = np.bincount(of, given[hit] * untracked[hit], len(some)) > 0
    kept = (number[of] >= 0) & (untracked[hit] | ~neutral[of])
    return Objects(momentum, cells.event[some], number[of][kept], hit[kept], given[hit[kept]])


def _massless(pt: np.ndarray, eta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    return np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], 1)
