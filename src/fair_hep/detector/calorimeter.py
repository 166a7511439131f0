"""Calorimeters: cells in eta and phi that add up energy, smear it, and forget what isn't significant.

A card tells granularity, energy shares, resolutions and thresholds. ECAL and HCAL are calorimeters of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .particles import Particles
from .propagation import Exit
from .tracks import lognormal

__all__ = ["SIGNIFICANCE", "Calorimeter", "Cells", "Grid", "Region", "Resolution", "deposit"]

#: Energies below so many standard deviations of their own are dropped.
SIGNIFICANCE = 2.0


class Grid:
    """Cells between ascending edges in eta; every ring has its own number of cells in phi, from -pi to pi.

    Parameters
    ----------
    rings
        Upper edges of rings with the number of their cells; the very first edge only begins the first ring.
    """

    def __init__(self, rings: Sequence[tuple[Sequence[float], int]]) -> None:
        ascending = sorted((float(edge), cells) for edges, cells in rings for edge in edges)
        self.edges = np.array([edge for edge, _ in ascending])
        self.counts = np.array([cells for _, cells in ascending[1:]])
        self._first = np.concatenate([[0], np.cumsum(self.counts)])

    def __len__(self) -> int:
        return int(self._first[-1])

    def find(self, eta: np.ndarray, phi: np.ndarray) -> np.ndarray:
        """Return the cells ``[n]`` of directions; -1 outside, and for NaN."""
        ring = np.searchsorted(self.edges, eta) - 1
        inside = (ring >= 0) & (ring < len(self.counts))
        ring = np.where(inside, ring, 0)
        count = self.counts[ring]
        turned = np.where(inside, (phi + np.pi) / (2 * np.pi) * count, 0.0)
        return np.where(inside, self._first[ring] + np.clip(turned.astype(np.int64), 0, count - 1), -1)

    def bounds(self, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the lowest and highest eta and the lowest and highest phi of cells, ``[n]`` each."""
        ring = np.searchsorted(self._first, cell, side="right") - 1
        width = 2 * np.pi / self.counts[ring]
        low = -np.pi + (cell - self._first[ring]) * width
        return self.edges[ring], self.edges[ring + 1], low, low + width


@dataclass(frozen=True)
class Region:
    """Resolution up to some |eta|: constant times E, stochastic times sqrt(E) and noise in quadrature, GeV.

    Parameters
    ----------
    eta_max
        Where the region ends.
    constant, stochastic, noise
        Relative; in sqrt(GeV); in GeV.
    shape
        a, b and c of the factor a + b (|eta| - c)^2 by which all of it grows.
    """

    eta_max: float
    constant: float
    stochastic: float
    noise: float = 0.0
    shape: tuple[float, float, float] = (1.0, 0.0, 0.0)


@dataclass(frozen=True)
class Resolution:
    """Resolution in regions of |eta|, ascending; the last goes on to the end."""

    regions: tuple[Region, ...]

    def __call__(self, eta: np.ndarray, energy: np.ndarray) -> np.ndarray:
        """Return the resolution in GeV ``[n]`` at energies in GeV."""
        distance = np.abs(eta)
        chosen = np.searchsorted([region.eta_max for region in self.regions[:-1]], distance)
        result = np.zeros(len(energy))
        for number, region in enumerate(self.regions):
            here = chosen == number
            e = energy[here]
            base, growth, centre = region.shape
            shape = base + growth * (distance[here] - centre) ** 2
            squared = (region.constant * e) ** 2 + region.stochastic**2 * e + region.noise**2
            result[here] = shape * np.sqrt(squared)
        return result


@dataclass(frozen=True)
class Calorimeter:
    """One calorimeter.

    Parameters
    ----------
    grid
        Its cells.
    share
        Share of a particle's energy by absolute PDG code; 0 stands for all others.
    sigma
        Resolution in GeV, as a function of eta and energy.
    energy_min
        Lowest energy that is kept, in GeV.
    """

    grid: Grid
    share: Mapping[int, float]
    sigma: Resolution
    energy_min: float

    def shares(self, pdg: np.ndarray) -> np.ndarray:
        """Return the share of their energy that particles leave here ``[n]``."""
        code = np.abs(pdg)
        shares = np.full(len(code), self.share[0])
        for known, value in self.share.items():
            if known:
                shares[code == known] = value
        return shares


@dataclass(frozen=True)
class Cells:
    """Cells that were hit ``[m]``, also those whose energy is forgotten.

    Parameters
    ----------
    energy
        Measured energy in GeV; 0 where it isn't significant.
    sigma
        Resolution at the measured energy, before anything was forgotten, in GeV.
    eta, phi
        Measured place: anywhere in the cell.
    of
        Position here of the cell that each particle hit ``[particles]``; -1 for those that hit none.
    event
        Event of the cell.
    """

    energy: np.ndarray
    sigma: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    of: np.ndarray
    event: np.ndarray

    @property
    def towers(self) -> np.ndarray:
        """Positions of the cells that are seen."""
        return np.flatnonzero(self.energy > 0)


def deposit(
    calorimeter: Calorimeter,
    particles: Particles,
    exit_: Exit,
    random: np.random.Generator,
    event: np.ndarray | None = None,
) -> Cells:
    """Add up the energy of particles in cells, and measure it.

    Parameters
    ----------
    calorimeter
        The calorimeter.
    particles, exit_
        Particles, and where they leave the tracker.
    random
        Where noise and places are drawn from.
    event
        Event of every particle ``[particles]``, from 0; by default all are of one event.
    """
    share = calorimeter.shares(particles.pdg)
    cell = np.where(share > 0, calorimeter.grid.find(exit_.eta, exit_.phi), -1)
    size = len(calorimeter.grid)
    place = cell if event is None else cell + size * event
    hit, inverse = np.unique(place[cell >= 0], return_inverse=True)
    of_event, hit = np.divmod(hit, size)
    of = np.full(len(particles), -1)
    of[cell >= 0] = inverse
    truth = np.bincount(inverse, (share * particles.energy)[cell >= 0], len(hit))
    low_eta, high_eta, low_phi, high_phi = calorimeter.grid.bounds(hit)
    centre = (low_eta + high_eta) / 2
    energy = lognormal(truth, calorimeter.sigma(centre, truth), random)
    sigma = calorimeter.sigma(centre, energy)
    seen = (energy >= calorimeter.energy_min) & (energy >= SIGNIFICANCE * sigma)
    eta, phi = random.uniform(low_eta, high_eta), random.uniform(low_phi, high_phi)
    return Cells(np.where(seen, energy, 0.0), sigma, eta, phi, of, of_event)
