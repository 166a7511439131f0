"""Truth and rules on events small enough to know what must come out."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from fair_hep.data.delphes import CHARGED_HADRON, ELECTRON, MUON, NEUTRAL_HADRON, NONE, PHOTON
from fair_hep.detector.calorimeter import Calorimeter, Cells, Resolution, deposit
from fair_hep.detector.cards import CMS
from fair_hep.detector.energy_flow import scaled_and_excess
from fair_hep.detector.particles import Particles
from fair_hep.detector.propagation import leave
from fair_hep.detector.tracks import Tracks
from fair_hep.simulation.baseline import tower_candidates, track_candidates
from fair_hep.simulation.truth import ENERGY_MIN, kinds, tower_targets, track_targets
from support.generated import KLONG, PION, particles


def _exact(calorimeter: Calorimeter) -> Calorimeter:
    """Measure energies exactly, and say that the resolution is a tenth of them."""

    calls = itertools.count()

    class Sigma(Resolution):
        def __call__(self, eta: np.ndarray, energy: np.ndarray) -> np.ndarray:
            return (0.0 if next(calls) == 0 else 0.1) * energy

    return dataclasses.replace(calorimeter, sigma=Sigma(calorimeter.sigma.regions))


def _cells(calorimeter: Calorimeter, event: Particles) -> Cells:
    return deposit(_exact(calorimeter), event, leave(event, CMS.solenoid), np.random.default_rng(0))


def _tracks(event: Particles, *chosen: int, resolution: float = 0.05) -> Tracks:
    index = np.array(chosen, int)
    x, y, z = event.momentum[index].T
    pt = np.hypot(x, y)
    return Tracks(index, pt, np.arcsinh(z / pt), np.arctan2(y, x), np.full(len(index), resolution))


def test_codes_of_particles() -> None:
    pdg = np.array([211, -211, 2212, 321, 130, 22, 11, -11, 13, -13, 3122, 2112])
    expected = [CHARGED_HADRON] * 4 + [NEUTRAL_HADRON, PHOTON, ELECTRON, ELECTRON, MUON, MUON] + [CHARGED_HADRON] * 2
    assert kinds(pdg).tolist() == expected


def test_a_track_knows_its_own_particle() -> None:
    event = particles([PION, -PION, 13], [5.0, 7.0, 9.0], 0.4, 0.2, [1.0, -1.0, -1.0])
    rows = track_targets(event, _tracks(event, 1, 2))
    assert rows[:, 0].tolist() == [CHARGED_HADRON, MUON]
    assert rows[:, 1].tolist() == [-1.0, 1.0]  # the sign of the PDG code, as in the data set
    assert np.allclose(rows[:, 2], [7.0, 9.0])
    assert np.allclose(rows[:, 6], event.energy[1:])


@pytest.mark.parametrize(
    ("pdg", "energies", "eta", "expected"),
    [
        ((22,), (5.0,), 0.5, PHOTON),
        ((22, 22), (5.0, 3.0), 0.5, PHOTON),
        ((22, 11), (5.0, 6.0), 0.5, ELECTRON),
    ],
)
def test_a_tower_is_what_gave_it_most_energy(
    pdg: tuple[int, ...], energies: tuple[float, ...], eta: float, expected: int
) -> None:
    event = particles(np.array(pdg), np.array(energies) / np.cosh(eta), eta, 0.2)
    (row,) = tower_targets(event, _tracks(event), _cells(CMS.ecal, event))
    assert row[0] == expected
    assert row[6] == pytest.approx(sum(energies))
    assert row[2] == pytest.approx(sum(energies) / np.cosh(eta))


@pytest.mark.parametrize(
    ("pdg", "charge", "energy", "eta", "expected"),
    [
        (KLONG, 0.0, 1.1 * ENERGY_MIN, 0.5, NEUTRAL_HADRON),
        (KLONG, 0.0, 0.9 * ENERGY_MIN, 0.5, NONE),
        (PION, 1.0, 20.0, 0.5, CHARGED_HADRON),
        (PION, 1.0, 40.0, 3.0, NEUTRAL_HADRON),
        (PION, 1.0, 0.9 * ENERGY_MIN, 3.0, NONE),
    ],
)
def test_hadrons_count_by_energy_and_acceptance(
    pdg: int, charge: float, energy: float, eta: float, expected: int
) -> None:
    event = particles(pdg, energy / np.cosh(eta), eta, 0.2, charge)
    (row,) = tower_targets(event, _tracks(event), _cells(CMS.hcal, event))
    assert row[0] == expected
    assert row.any() == (expected != NONE)


def test_a_particle_with_a_track_is_none_of_its_tower() -> None:
    event = particles([PION, KLONG], np.array([20.0, 30.0]), 0.5, 0.2, [0.0, 0.0])
    (row,) = tower_targets(event, _tracks(event, 0), _cells(CMS.hcal, event))
    assert (row[0], row[2]) == (NEUTRAL_HADRON, pytest.approx(30.0))
    (alone,) = tower_targets(event, _tracks(event, 0, 1), _cells(CMS.hcal, event))
    assert not alone.any()


def test_a_lonely_photon_is_a_candidate_with_its_energy() -> None:
    event = particles(22, 10.0, 0.5, 0.2)
    cells = _cells(CMS.ecal, event)
    pt, excess = scaled_and_excess(CMS.ecal, cells, event, _tracks(event), np.zeros(0))
    (row,) = tower_candidates(cells, excess, electromagnetic=True)
    assert len(pt) == 0
    assert (row[0], row[6]) == (PHOTON, pytest.approx(event.energy[0]))
    assert row[2] == 0.0


def test_a_track_that_explains_its_tower_leaves_no_neutral_and_keeps_its_momentum() -> None:
    event = particles(PION, 20.0, 0.5, 0.2)
    tracks, cells = _tracks(event, 0), _cells(CMS.hcal, event)
    pt, excess = scaled_and_excess(CMS.hcal, cells, event, tracks, tracks.pt)
    assert not excess.any()
    assert pt == pytest.approx(tracks.pt)
    (row,) = track_candidates(event, tracks, pt)
    assert (row[0], row[2], row[6]) == (CHARGED_HADRON, pytest.approx(20.0), 0.0)


def test_a_significant_excess_is_a_neutral_hadron_and_leaves_the_track_alone() -> None:
    event = particles([PION, KLONG], [20.0, 30.0], 0.5, 0.2)
    tracks, cells = _tracks(event, 0), _cells(CMS.hcal, event)
    pt, excess = scaled_and_excess(CMS.hcal, cells, event, tracks, tracks.pt)
    assert excess == pytest.approx(event.energy[1])
    assert pt == pytest.approx(tracks.pt)
    (row,) = tower_candidates(cells, excess, electromagnetic=False)
    assert row[0] == NEUTRAL_HADRON


def test_a_small_excess_scales_the_track_to_the_weighted_mean() -> None:
    event = particles([PION, KLONG], [20.0, 2.0], 0.5, 0.2)
    tracks, cells = _tracks(event, 0), _cells(CMS.hcal, event)
    pt, excess = scaled_and_excess(CMS.hcal, cells, event, tracks, tracks.pt)
    assert not excess.any()
    track, tower = event.energy[0], event.energy.sum()
    weights = 1 / (0.05 * track) ** 2, 1 / (0.1 * tower) ** 2
    best = (weights[0] * track + weights[1] * tower) / sum(weights)
    assert pt == pytest.approx(tracks.pt * best / track)
    assert tracks.pt[0] < pt[0] < tracks.pt[0] * tower / track
