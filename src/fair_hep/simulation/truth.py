"""Targets: which generated particle stands behind every track and tower, by the rules of the MLPF data set.

A track's particle is its own. A tower's particle is the sum of those generated particles in it that have no track; its
kind is the one with the largest share of their energy; a charged hadron beyond the tracker's acceptance counts as a
neutral one; a neutral hadron below 9 GeV counts as none. As in the data set, the charge is the sign of the PDG code
(so electrons and muons, whose codes are positive, carry +1), and a particle of unknown code is a charged hadron.
"""

from __future__ import annotations

import numpy as np

from ..data.delphes import CHARGED_HADRON, ELECTRON, MUON, NEUTRAL_HADRON, NONE, PARTICLE_WIDTH, PHOTON
from ..detector.calorimeter import Cells
from ..detector.cards import CMS
from ..detector.particles import Particles
from ..detector.tracks import Tracks

__all__ = ["ENERGY_MIN", "kinds", "tower_targets", "track_targets"]

#: Neutral hadrons with less energy aren't expected to be found; GeV.
ENERGY_MIN = 9.0

_CODES = {130: NEUTRAL_HADRON, 22: PHOTON, 11: ELECTRON, 13: MUON}
# In this order the first of equal shares wins.
_SHARES = np.array([NEUTRAL_HADRON, CHARGED_HADRON, PHOTON, ELECTRON])


def kinds(pdg: np.ndarray) -> np.ndarray:
    """Return the data set's codes of particles ``[n]``: 1 for every PDG code that it doesn't know."""
    code = np.abs(pdg)
    result = np.full(len(code), CHARGED_HADRON)
    for known, kind in _CODES.items():
        result[code == known] = kind
    return result


def track_targets(particles: Particles, tracks: Tracks) -> np.ndarray:
    """Return the particles behind tracks, ``[tracks, 7]``."""
    chosen = tracks.particle
    kind = kinds(particles.pdg[chosen])
    return _rows(kind, np.sign(particles.pdg[chosen]), particles.momentum[chosen], particles.energy[chosen])


def tower_targets(particles: Particles, tracks: Tracks, cells: Cells) -> np.ndarray:
    """Return the particles behind towers, ``[towers, 7]``; zeros where there is none."""
    rest = cells.of >= 0
    rest[tracks.particle] = False
    cell, energy, count = cells.of[rest], particles.energy[rest], len(cells.energy)
    share = np.stack([np.bincount(cell, energy * chosen, count) for chosen in _deposits(particles[rest])], 1)
    momentum = np.stack([np.bincount(cell, axis, count) for axis in particles.momentum[rest].T], 1)
    total = np.bincount(cell, energy, count)
    kind = _SHARES[share.argmax(1)]
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.arcsinh(momentum[:, 2] / np.hypot(momentum[:, 0], momentum[:, 1]))
    kind = np.where((kind == CHARGED_HADRON) & (np.abs(eta) > CMS.tracking.eta_max), NEUTRAL_HADRON, kind)
    absent = (total <= 0) | ((kind == NEUTRAL_HADRON) & (total < ENERGY_MIN))
    kind = np.where(absent, NONE, kind)
    rows = _rows(kind, np.ones(count), momentum, total)
    return rows[cells.towers]


def _deposits(particles: Particles) -> list[np.ndarray]:
    """Return which particles count as what in a tower, in the order of `_SHARES`."""
    code = np.abs(particles.pdg)
    photon, electron = code == 22, code == 11
    charged = (np.abs(particles.charge) == 1) & ~electron
    return [~charged & ~photon & ~electron, charged, photon, electron]


def _rows(kind: np.ndarray, sign: np.ndarray, momentum: np.ndarray, energy: np.ndarray) -> np.ndarray:
    rows = np.zeros((len(kind), PARTICLE_WIDTH))
    some = kind != NONE
    px, py, pz = momentum[some].T
    pt = np.hypot(px, py)
    rows[some, 0] = kind[some]
    rows[some, 1] = np.where(np.isin(kind, (CHARGED_HADRON, ELECTRON, MUON)), sign, 0.0)[some]
    columns = (pt, np.arcsinh(pz / pt), py / pt, px / pt, energy[some])
    rows[some, 2:] = np.stack(columns, 1)
    return rows
