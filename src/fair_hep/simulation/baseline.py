"""Rule-based particle flow: what learning is compared with.

Candidates are the detector's energy flow: every track is one, its kind comes from generator truth; an excess over the
tracks is a photon in the ECAL and a neutral hadron in the HCAL.

As in the data set, charged candidates have no energy and neutral ones no pT (zeros), and the charge is the real one.
"""

from __future__ import annotations

import numpy as np

from ..data.delphes import NEUTRAL_HADRON, PARTICLE_WIDTH, PHOTON
from ..detector.calorimeter import Cells
from ..detector.particles import Particles
from ..detector.tracks import Tracks
from .truth import kinds

__all__ = ["tower_candidates", "track_candidates"]


def track_candidates(particles: Particles, tracks: Tracks, pt: np.ndarray) -> np.ndarray:
    """Return the candidates of tracks, ``[tracks, 7]``."""
    rows = np.zeros((len(tracks), PARTICLE_WIDTH))
    rows[:, 0] = kinds(particles.pdg[tracks.particle])
    rows[:, 1] = particles.charge[tracks.particle]
    rows[:, 2:6] = np.stack([pt, tracks.eta, np.sin(tracks.phi), np.cos(tracks.phi)], 1)
    return rows


def tower_candidates(cells: Cells, excess: np.ndarray, *, electromagnetic: bool) -> np.ndarray:
    """Return the candidates of towers, ``[towers, 7]``; zeros where there is none."""
    seen = cells.towers
    eta, phi, energy = cells.eta[seen], cells.phi[seen], excess[seen]
    kind = np.full(len(seen), PHOTON if electromagnetic else NEUTRAL_HADRON)
    rows = np.stack([kind, 0 * eta, 0 * eta, eta, np.sin(phi), np.cos(phi), energy], 1)
    result: np.ndarray = rows * (energy > 0)[:, None]
    return result
