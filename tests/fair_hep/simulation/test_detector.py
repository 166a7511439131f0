"""From particles to an event of the data set's layout."""

from __future__ import annotations

import numpy as np

from fair_hep.data.delphes import TOWER, TRACK
from fair_hep.detector.particles import Particles
from fair_hep.simulation.detector import detect
from support.generated import PHOTON, PION, particles


def some(count: int, seed: int) -> Particles:
    """Make random charged particles."""
    random = np.random.default_rng(seed)
    charge, pt = random.choice([-1.0, 1.0], count), np.exp(random.uniform(-1.5, 3, count))
    return particles(PION, pt, random.uniform(-4, 4, count), random.uniform(-np.pi, np.pi, count), charge)


def test_nothing_inside_is_an_event_without_elements() -> None:
    assert not len(detect(particles(PHOTON, 5.0, 0.0, 0.0, vertex=(1.4, 0.0, 0.0)), np.random.default_rng(0)).elements)


def test_an_event_is_tracks_and_then_towers_within_acceptance() -> None:
    chosen = some(400, 5)
    event = detect(chosen, np.random.default_rng(6))
    kind = event.elements[:, 0]
    tracks = int((kind == TRACK).sum())
    assert 0 < tracks < len(kind)
    assert (kind[:tracks] == TRACK).all()
    assert (kind[tracks:] == TOWER).all()
    assert (np.abs(event.elements[:tracks, 6]) <= 2.5).all()
    assert (np.abs(event.elements[tracks:, 2]) <= 5).all()
    assert np.allclose(np.hypot(event.elements[:, 3], event.elements[:, 4]), 1)
    towers = event.elements[tracks:]
    assert np.allclose(towers[:, 5], towers[:, 6] + towers[:, 7])
    assert np.allclose(towers[:, 1], towers[:, 5] / np.cosh(towers[:, 2]))
