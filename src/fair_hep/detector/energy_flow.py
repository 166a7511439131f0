"""Energy flow: tracks, and what the calorimeters measure beyond them.

The algorithm is that of Delphes (arXiv:1307.6346). In every cell the energy of the tracks that point at it is compared
with the energy measured there. An excess that is significant is a neutral object and leaves the tracks alone. Otherwise
the tracks are scaled to the mean of both measurements, weighted by their errors.
"""

from __future__ import annotations

import numpy as np

from .calorimeter import SIGNIFICANCE, Calorimeter, Cells
from .particles import Particles
from .tracks import Tracks

__all__ = ["scaled_and_excess"]


def scaled_and_excess(
    calorimeter: Calorimeter, cells: Cells, particles: Particles, tracks: Tracks, pt: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compare tracks with one calorimeter.

    Parameters
    ----------
    calorimeter, cells
        The calorimeter and what it measured.
    particles, tracks
        Particles of an event, or of several.
    pt
        pT of the tracks so far ``[tracks]`` in GeV.

    Returns
    -------
    pt, excess
        pT of the tracks after the comparison ``[tracks]``; energy of the neutral object in every cell ``[cells]``, 0
        where there is none; GeV.
    """
    cell = cells.of[tracks.particle]
    here = (cell >= 0) & (calorimeter.shares(particles.pdg[tracks.particle]) > 0)
    energy = _energy(particles, tracks, pt)[here]
    expected = np.bincount(cell[here], energy, len(cells.energy))
    variance = np.bincount(cell[here], (tracks.resolution[here] * energy) ** 2, len(cells.energy))
    excess = np.maximum(cells.energy - expected, 0.0)
    error = np.sqrt(variance + cells.sigma**2)
    significant = (excess > calorimeter.energy_min) & (excess > SIGNIFICANCE * error)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = 1 / variance, 1 / cells.sigma**2
        best = (weights[0] * expected + weights[1] * cells.energy) / (weights[0] + weights[1])
        factor = np.where(significant | (expected <= 0), 1.0, best / expected)
    scaled = pt.copy()
    scaled[here] *= factor[cell[here]]
    return scaled, np.where(significant, excess, 0.0)


def _energy(particles: Particles, tracks: Tracks, pt: np.ndarray) -> np.ndarray:
    """Return the energy of tracks, each with the mass of its particle, ``[tracks]`` in GeV."""
    chosen = tracks.particle
    squared_mass = particles.energy[chosen] ** 2 - (particles.momentum[chosen] ** 2).sum(1)
    energy: np.ndarray = np.sqrt((pt * np.cosh(tracks.eta)) ** 2 + np.maximum(squared_mass, 0.0))
    return energy
