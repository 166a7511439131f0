"""Calorimeters: cells in eta and phi that add up energy, smear it, and forget what isn't significant.

Granularity, energy shares, resolutions and thresholds are the numbers of Delphes' CMS card (J. de Favereau et al.,
arXiv:1307.6346; ECAL resolution after CMS, arXiv:1306.2016 and arXiv:1502.02701). Electrons and photons leave all
their energy in the ECAL, K0S and Lambda 30 %, other hadrons nothing; the HCAL gets the rest; muons and neutrinos leave
none. ECAL and HCAL towers are elements of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .event_generator import Particles
from .propagation import Exit
from .tracks import lognormal

__all__ = ["ECAL", "HCAL", "SIGNIFICANCE", "Calorimeter", "Cells", "Grid", "deposit"]

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
class Calorimeter:
    """One calorimeter.

    Parameters
    ----------
    grid
        Its cells.
    share
        Share of a particle's energy by absolute PDG code; 0 stands for all others.
    sigma
        Function of eta and energy in GeV that gives the resolution in GeV.
    energy_min
        Lowest energy that is kept, in GeV.
    """

    grid: Grid
    share: dict[int, float]
    sigma: Callable[[np.ndarray, np.ndarray], np.ndarray]
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
        Position here of the cell that each particle of the event hit ``[particles]``; -1 for those that hit none.
    """

    energy: np.ndarray
    sigma: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    of: np.ndarray

    @property
    def towers(self) -> np.ndarray:
        """Positions of the cells that are seen."""
        return np.flatnonzero(self.energy > 0)


def deposit(calorimeter: Calorimeter, particles: Particles, exit_: Exit, random: np.random.Generator) -> Cells:
    """Add up the energy of particles in cells, and measure it."""
    share = calorimeter.shares(particles.pdg)
    cell = np.where(share > 0, calorimeter.grid.find(exit_.eta, exit_.phi), -1)
    hit, inverse = np.unique(cell[cell >= 0], return_inverse=True)
    of = np.full(len(particles), -1)
    of[cell >= 0] = inverse
    truth = np.bincount(inverse, (share * particles.energy)[cell >= 0], len(hit))
    low_eta, high_eta, low_phi, high_phi = calorimeter.grid.bounds(hit)
    centre = (low_eta + high_eta) / 2
    energy = lognormal(truth, calorimeter.sigma(centre, truth), random)
    sigma = calorimeter.sigma(centre, energy)
    seen = (energy >= calorimeter.energy_min) & (energy >= SIGNIFICANCE * sigma)
    eta, phi = random.uniform(low_eta, high_eta), random.uniform(low_phi, high_phi)
    return Cells(np.where(seen, energy, 0.0), sigma, eta, phi, of)


def _ecal_sigma(eta: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Return the resolution in GeV: crystals up to 2.5, the forward calorimeter beyond."""
    distance = np.abs(eta)
    crystals = np.sqrt((0.008 * energy) ** 2 + 0.11**2 * energy + 0.40**2)
    forward = np.sqrt((0.107 * energy) ** 2 + 2.08**2 * energy)
    shape = np.where(distance <= 1.5, 1 + 0.64 * eta**2, 2.16 + 5.6 * (distance - 2) ** 2)
    return np.where(distance <= 2.5, shape * crystals, forward)


def _hcal_sigma(eta: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Return the resolution in GeV: barrel and endcaps up to 3, the forward calorimeter beyond."""
    near = np.sqrt((0.050 * energy) ** 2 + 1.50**2 * energy)
    forward = np.sqrt((0.130 * energy) ** 2 + 2.70**2 * energy)
    return np.where(np.abs(eta) <= 3.0, near, forward)


_CRYSTAL = 0.0174
_FORWARD = (3.125, 3.3, 3.475, 3.65, 3.825, 4.0, 4.175, 4.35, 4.525, 4.7, 5.0)
_ENDCAP = (1.74, 1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 2.868, 2.95, *_FORWARD[:-3])
_STRANGE = {310: 0.3, 3122: 0.3}
_SHOWERING = (11, 22, 111)
_INVISIBLE = (12, 13, 14, 16)

#: 1 degree x 0.0174 up to |eta| = 2.96, 10 degrees x 0.175 up to 5.
ECAL = Calorimeter(
    grid=Grid([
        ([number * _CRYSTAL for number in range(-85, 87)], 360),
        ([-2.958 + number * _CRYSTAL for number in range(1, 85)], 360),
        ([1.4964 + number * _CRYSTAL for number in range(1, 85)], 360),
        ([*(-edge for edge in _FORWARD), -2.958, *_FORWARD], 36),
    ]),
    share={0: 0.0, **dict.fromkeys(_SHOWERING, 1.0), **_STRANGE},
    sigma=_ecal_sigma,
    energy_min=0.5,
)  # fmt: skip

#: 5 degrees x 0.087 up to |eta| = 1.65, 10 degrees up to 4.5, 20 degrees up to 5.
HCAL = Calorimeter(
    grid=Grid([
        ([number * 0.087 for number in range(-18, 20)], 72),
        ([*(-edge for edge in _ENDCAP), -1.653, *_ENDCAP, 4.525], 36),
        ((-5.0, -4.7, -4.525, 4.7, 5.0), 18),
    ]),
    share={0: 1.0, **dict.fromkeys((*_SHOWERING, *_INVISIBLE), 0.0), **dict.fromkeys(_STRANGE, 0.7)},
    sigma=_hcal_sigma,
    energy_min=1.0,
)  # fmt: skip
