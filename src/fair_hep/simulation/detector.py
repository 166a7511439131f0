"""From generated particles through the detector (CMS' card) to one event of the data set's layout."""

from __future__ import annotations

import numpy as np

from ..data.delphes import ELEMENT_WIDTH, TOWER, TRACK, Event
from ..detector.calorimeter import Cells, deposit
from ..detector.cards import CMS
from ..detector.energy_flow import scaled_and_excess
from ..detector.particles import Particles
from ..detector.propagation import Exit, leave
from ..detector.tracks import Tracks, measure
from .baseline import tower_candidates, track_candidates
from .truth import tower_targets, track_targets

__all__ = ["detect"]

_ELECTRON, _MUON = 11, 13


def detect(particles: Particles, random: np.random.Generator) -> Event:
    """Measure an event: tracks and towers, the particles behind them, and rule-based candidates.

    Parameters
    ----------
    particles
        Stable particles of all interactions.
    random
        Where every efficiency and resolution is drawn from.

    Returns
    -------
    event
        Tracks first, then towers of the ECAL, then of the HCAL.
    """
    exit_ = leave(particles, CMS.solenoid)
    tracks = measure(CMS.tracking, particles, exit_, random)
    ecal, hcal = (deposit(calorimeter, particles, exit_, random) for calorimeter in (CMS.ecal, CMS.hcal))
    pt, photons = scaled_and_excess(CMS.ecal, ecal, particles, tracks, tracks.pt)
    pt, neutral_hadrons = scaled_and_excess(CMS.hcal, hcal, particles, tracks, pt)
    elements = [_track_elements(particles, tracks, exit_), _tower_elements(ecal, 6), _tower_elements(hcal, 7)]
    gen = [track_targets(particles, tracks), *(tower_targets(particles, tracks, cells) for cells in (ecal, hcal))]
    cand = [
        track_candidates(particles, tracks, pt),
        tower_candidates(ecal, photons, electromagnetic=True),
        tower_candidates(hcal, neutral_hadrons, electromagnetic=False),
    ]
    return Event(*(np.concatenate(parts) for parts in (elements, gen, cand)))


def _track_elements(particles: Particles, tracks: Tracks, exit_: Exit) -> np.ndarray:
    chosen = tracks.particle
    code, phi = np.abs(particles.pdg[chosen]), exit_.phi[chosen]
    columns = (
        np.full(len(tracks), TRACK),
        tracks.pt,
        tracks.eta,
        np.sin(tracks.phi),
        np.cos(tracks.phi),
        tracks.pt * np.cosh(tracks.eta),
        exit_.eta[chosen],
        np.sin(phi),
        np.cos(phi),
        particles.charge[chosen],
        code == _MUON,
        code == _ELECTRON,
    )
    return np.stack(columns, 1).astype(np.float64)


def _tower_elements(cells: Cells, column: int) -> np.ndarray:
    """Return towers ``[towers, 12]``; their energy stands also in the column of their calorimeter."""
    seen = cells.towers
    energy, eta, phi = cells.energy[seen], cells.eta[seen], cells.phi[seen]
    rows = np.zeros((len(seen), ELEMENT_WIDTH))
    first = (np.full(len(seen), TOWER), energy / np.cosh(eta), eta, np.sin(phi), np.cos(phi), energy)
    rows[:, :6] = np.stack(first, 1)
    rows[:, column] = energy
    return rows
