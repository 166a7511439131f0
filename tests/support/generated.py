"""Generated particles, for tests of the detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fair_hep.detector.particles import Particles

PION, KLONG, PHOTON, ELECTRON, MUON, KSHORT, NEUTRINO = 211, 130, 22, 11, 13, 310, 12


def particles(
    pdg: ArrayLike, pt: ArrayLike, eta: ArrayLike, phi: ArrayLike, charge: ArrayLike = 0.0, *, vertex: ArrayLike = 0.0
) -> Particles:
    """Make massless particles of a given direction."""
    pdg, pt, eta, phi, charge = np.broadcast_arrays(*(np.atleast_1d(v) for v in (pdg, pt, eta, phi, charge)))
    momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], 1).astype(float)
    place = np.broadcast_to(np.asarray(vertex, float), momentum.shape)
    return Particles(pdg.astype(np.int64), charge.astype(float), momentum, np.linalg.norm(momentum, axis=1), place)
