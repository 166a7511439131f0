"""Tracks: which charged particles have one, and how well it is measured.

Acceptance, efficiencies and resolutions are the numbers of Delphes' CMS card (J. de Favereau et al., arXiv:1307.6346;
resolutions after CMS, arXiv:1405.6569), as functions of the generated pT and of the pseudorapidity at the calorimeter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .event_generator import Particles
from .propagation import Exit

__all__ = ["ANGLE", "ETA_MAX", "Tracks", "efficiency", "lognormal", "measure", "resolution"]

ETA_MAX = 2.5
#: Resolution of eta and of phi.
ANGLE = 0.01

_ELECTRON, _MUON = 11, 13
_KINDS = ("hadron", "electron", "muon")
# For |eta| up to 1.5 and up to 2.5: above 0.1, 1 and 100 GeV of pT.
_EFFICIENCY = {
    "hadron": ((0.70, 0.95, 0.95), (0.60, 0.85, 0.85)),
    "electron": ((0.73, 0.95, 0.99), (0.50, 0.83, 0.90)),
    "muon": ((0.75, 0.99, 0.99), (0.70, 0.98, 0.98)),
}
_PT_STEPS = (0.1, 1.0, 100.0)
# Muons are lost again above 1 TeV.
_TEV = 1000.0
# For |eta| up to 0.5, 1.5 and 2.5: relative resolution of pT is the constant and pT times the slope, in quadrature.
_RESOLUTION = {
    "hadron": ((0.06, 1.3e-3), (0.10, 1.7e-3), (0.25, 3.1e-3)),
    "electron": ((0.03, 1.3e-3), (0.05, 1.7e-3), (0.15, 3.1e-3)),
    "muon": ((0.01, 1.0e-4), (0.015, 1.5e-4), (0.025, 3.5e-4)),
}


@dataclass(frozen=True)
class Tracks:
    """Measured tracks ``[n]``.

    Parameters
    ----------
    particle
        Position of the particle behind the track.
    pt, eta, phi
        As measured, at the beam; GeV.
    resolution
        Relative resolution of pT, from 0 to 1.
    """

    particle: np.ndarray
    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    resolution: np.ndarray

    def __len__(self) -> int:
        return len(self.particle)


def efficiency(pdg: np.ndarray, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return the probability ``[n]`` that a charged particle has a track; ``eta`` is that at the calorimeter."""
    step = np.searchsorted(_PT_STEPS, pt) - 1
    ring = (np.abs(eta) > 1.5).astype(int)
    table = np.array([_EFFICIENCY[kind] for kind in _KINDS])
    value = table[_kind(pdg), ring, step]
    fast_muon = (np.abs(pdg) == _MUON) & (pt > _TEV)
    value = np.where(fast_muon, value * np.exp(0.5 - 5e-4 * np.minimum(pt, 1e6)), value)
    seen: np.ndarray = (step >= 0) & (np.abs(eta) <= ETA_MAX)
    return np.where(seen, value, 0.0)


def resolution(pdg: np.ndarray, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return the relative resolution of pT ``[n]``, from 0 to 1."""
    ring = np.minimum(np.searchsorted((0.5, 1.5), np.abs(eta)), 2)
    constant, slope = np.moveaxis(np.array([_RESOLUTION[kind] for kind in _KINDS])[_kind(pdg), ring], -1, 0)
    return np.minimum(np.hypot(constant, slope * pt), 1.0)


def measure(particles: Particles, exit_: Exit, random: np.random.Generator) -> Tracks:
    """Find and measure the tracks of charged particles."""
    charged = np.flatnonzero((particles.charge != 0) & exit_.inside)
    px, py, pz = particles.momentum[charged].T
    pt = np.hypot(px, py)
    found = random.random(len(charged)) < efficiency(particles.pdg[charged], pt, exit_.eta[charged])
    chosen, pt = charged[found], pt[found]
    relative = resolution(particles.pdg[chosen], pt, exit_.eta[chosen])
    eta = np.arcsinh(pz[found] / pt) + ANGLE * random.standard_normal(len(chosen))
    phi = np.arctan2(py[found], px[found]) + ANGLE * random.standard_normal(len(chosen))
    return Tracks(chosen, lognormal(pt, relative * pt, random), eta, phi, relative)


def lognormal(mean: np.ndarray, sigma: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Smear positive values ``[n]``: log-normal with this mean and standard deviation; 0 stays 0."""
    positive = mean > 0
    safe = np.where(positive, mean, 1.0)
    width = np.sqrt(np.log1p((sigma / safe) ** 2))
    values = safe * np.exp(width * random.standard_normal(len(mean)) - 0.5 * width**2)
    return np.where(positive, values, 0.0)


def _kind(pdg: np.ndarray) -> np.ndarray:
    """Return positions in `_KINDS`."""
    code = np.abs(pdg)
    return np.where(code == _ELECTRON, 1, np.where(code == _MUON, 2, 0))
