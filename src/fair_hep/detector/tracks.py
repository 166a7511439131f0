"""Tracks: which charged particles have one, and how well it is measured.

Acceptance, efficiencies and resolutions are functions of the generated pT and of the pseudorapidity at the calorimeter;
a card tells their numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .particles import Particles
from .propagation import Exit

__all__ = ["Tracking", "Tracks", "efficiency", "lognormal", "measure", "resolution"]

_ELECTRON, _MUON = 11, 13
_KINDS = ("hadron", "electron", "muon")


@dataclass(frozen=True)
class Tracking:
    """How well tracks are found and measured. Kinds are "hadron", "electron" and "muon".

    Parameters
    ----------
    eta_max
        Pseudorapidity at the calorimeter up to which there are tracks.
    pt_steps
        Lower edges of the steps of pT in GeV, ascending; below the first there are no tracks.
    efficiency_eta, efficiency
        Inner edges in |eta|; for each kind, region of |eta| and step of pT the probability of a track.
    resolution_eta, resolution
        Inner edges in |eta|; for each kind and region of |eta| a constant and a slope (per GeV): the relative
        resolution of pT is the constant and pT times the slope, in quadrature.
    angle
        Resolution of eta and of phi.
    muons_fall_from
        pT in GeV above which muons are lost again, as exp(0.5 - pT / (2 TeV)); infinite: they aren't.
    """

    eta_max: float
    pt_steps: tuple[float, ...]
    efficiency_eta: tuple[float, ...]
    efficiency: Mapping[str, tuple[tuple[float, ...], ...]]
    resolution_eta: tuple[float, ...]
    resolution: Mapping[str, tuple[tuple[float, float], ...]]
    angle: float = 0.0
    muons_fall_from: float = np.inf


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


def efficiency(tracking: Tracking, pdg: np.ndarray, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return the probability ``[n]`` that a charged particle has a track; ``eta`` is that at the calorimeter."""
    step = np.searchsorted(tracking.pt_steps, pt) - 1
    region = np.searchsorted(tracking.efficiency_eta, np.abs(eta))
    table = np.array([tracking.efficiency[kind] for kind in _KINDS])
    value = table[_kind(pdg), region, step]
    fast_muon = (np.abs(pdg) == _MUON) & (pt > tracking.muons_fall_from)
    value = np.where(fast_muon, value * np.exp(0.5 - 5e-4 * np.minimum(pt, 1e6)), value)
    seen: np.ndarray = (step >= 0) & (np.abs(eta) <= tracking.eta_max)
    return np.where(seen, value, 0.0)


def resolution(tracking: Tracking, pdg: np.ndarray, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return the relative resolution of pT ``[n]``, from 0 to 1."""
    region = np.searchsorted(tracking.resolution_eta, np.abs(eta))
    table = np.array([tracking.resolution[kind] for kind in _KINDS])
    constant, slope = np.moveaxis(table[_kind(pdg), region], -1, 0)
    return np.minimum(np.hypot(constant, slope * pt), 1.0)


def measure(tracking: Tracking, particles: Particles, exit_: Exit, random: np.random.Generator) -> Tracks:
    """Find and measure the tracks of charged particles."""
    charged = np.flatnonzero((particles.charge != 0) & exit_.inside)
    px, py, pz = particles.momentum[charged].T
    pt = np.hypot(px, py)
    chance = efficiency(tracking, particles.pdg[charged], pt, exit_.eta[charged])
    found = random.random(len(charged)) < chance
    chosen, pt = charged[found], pt[found]
    relative = resolution(tracking, particles.pdg[chosen], pt, exit_.eta[chosen])
    eta = np.arcsinh(pz[found] / pt) + tracking.angle * random.standard_normal(len(chosen))
    phi = np.arctan2(py[found], px[found]) + tracking.angle * random.standard_normal(len(chosen))
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
