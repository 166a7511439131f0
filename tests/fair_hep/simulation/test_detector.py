"""The parametrised detector: paths, tracks and calorimeters do what their numbers say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fair_hep.data.delphes import TOWER, TRACK
from fair_hep.simulation.calorimeter import ECAL, HCAL, Calorimeter, deposit
from fair_hep.simulation.detector import detect
from fair_hep.simulation.event_generator import Particles
from fair_hep.simulation.propagation import FIELD, HALF_LENGTH, RADIUS, leave
from fair_hep.simulation.tracks import efficiency, lognormal, measure, resolution
from support.generated import ELECTRON, KLONG, KSHORT, MUON, NEUTRINO, PHOTON, PION, particles

#: Speed of light in metres per nanosecond: a momentum of p GeV in B tesla has a radius of p / (_C B) metres.
_C = 0.299792458


def some(count: int, seed: int = 0, *, charged: bool = True, low: float = 0.2, high: float = 20.0) -> Particles:
    """Make random particles, not all of which start in the middle."""
    random = np.random.default_rng(seed)
    vertex = np.stack([random.normal(0, 0.02, count), random.normal(0, 0.02, count), random.normal(0, 0.05, count)], 1)
    charge = random.choice([-1.0, 1.0], count) * charged
    pt = np.exp(random.uniform(np.log(low), np.log(high), count))
    return particles(
        np.where(charged, PION, PHOTON), pt, random.uniform(-4, 4, count), random.uniform(-np.pi, np.pi, count),
        charge, vertex=vertex,
    )  # fmt: skip


def integrated(one: Particles, step: float = 1e-4) -> np.ndarray:
    """Follow one particle through the field in small steps (an independent answer): where it first gets out."""
    place, direction = one.vertex[0].copy(), one.momentum[0] / one.energy[0]
    turn = -one.charge[0] * _C * FIELD / one.energy[0] * step
    for _ in range(int(1e6)):
        before = place.copy()
        half = turn / 2
        for angle, move in ((half, True), (half, False)):
            cosine, sine = np.cos(angle), np.sin(angle)
            x, y = direction[0], direction[1]
            direction[0], direction[1] = cosine * x - sine * y, sine * x + cosine * y
            if move:
                place = place + step * direction
        if np.hypot(place[0], place[1]) > RADIUS or abs(place[2]) > HALF_LENGTH:
            return (before + place) / 2
    raise AssertionError("it never gets out")


def test_a_helix_ends_where_small_steps_end() -> None:
    chosen = some(12, low=0.3)
    ends = leave(chosen).place
    for number in range(12):
        assert np.allclose(ends[number], integrated(chosen[np.array([number])], 5e-4), atol=2e-3)


@pytest.mark.parametrize("charged", [True, False])
def test_every_end_lies_on_the_cylinder_and_ahead(charged: bool) -> None:
    chosen = some(500, 1, charged=charged)
    exit_ = leave(chosen)
    assert exit_.inside.all()
    across, along = np.hypot(exit_.place[:, 0], exit_.place[:, 1]), np.abs(exit_.place[:, 2])
    side, end = np.isclose(across, RADIUS, atol=1e-9), np.isclose(along, HALF_LENGTH, atol=1e-9)
    assert (side | end).all()
    assert (across <= RADIUS + 1e-9).all()
    assert (along <= HALF_LENGTH + 1e-9).all()
    assert ((exit_.place[:, 2] - chosen.vertex[:, 2]) * chosen.momentum[:, 2] > 0).all()


def test_neutral_particles_go_straight_and_charges_bend_to_both_sides() -> None:
    straight = leave(particles(PHOTON, 5.0, 0.7, 1.0))
    assert straight.phi[0] == pytest.approx(1.0)
    assert straight.eta[0] == pytest.approx(0.7)
    plus, minus = leave(particles(PION, [5.0, 5.0], 0.7, 1.0, [1.0, -1.0])).phi - 1.0
    assert plus == pytest.approx(-minus)
    # The chord of a circle of radius r that starts in the middle: sin(bend) = R / 2r; positive ones turn clockwise.
    assert plus == pytest.approx(-np.arcsin(RADIUS * _C * FIELD / (2 * 5.0)))


def test_a_slow_particle_curls_and_leaves_through_an_end() -> None:
    least = _C * FIELD * RADIUS / 2
    for pt, curls in ((0.95 * least, True), (1.05 * least, False)):
        z = leave(particles(PION, pt, 0.3, 0.0, 1.0)).place[0, 2]
        assert np.isclose(z, HALF_LENGTH) == curls


def test_a_particle_that_is_made_outside_or_along_the_beam_leaves_nothing() -> None:
    outside = particles(PHOTON, 5.0, 0.0, 0.0, vertex=(1.4, 0.0, 0.0))
    along = Particles(np.array([PHOTON]), np.zeros(1), np.array([[0.0, 0.0, 5.0]]), np.full(1, 5.0), np.zeros((1, 3)))
    for one in (outside, along):
        assert not leave(one).inside.any()
        assert not len(detect(one, np.random.default_rng(0)).elements)


def test_a_lognormal_keeps_mean_and_width() -> None:
    random = np.random.default_rng(0)
    for width in (0.1, 0.5, 1.0):
        values = lognormal(np.full(400_000, 3.0), np.full(400_000, 3.0 * width), random)
        assert values.mean() == pytest.approx(3.0, rel=0.01)
        assert values.std() == pytest.approx(3.0 * width, rel=0.03)
        assert (values > 0).all()
    assert lognormal(np.zeros(2), np.ones(2), random).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("pdg", "pt", "eta", "expected"),
    [
        (PION, 0.05, 0.0, 0.0), (PION, 0.5, 0.0, 0.70), (PION, 5.0, 1.4, 0.95), (PION, 5.0, -1.6, 0.85),
        (PION, 5.0, 2.6, 0.0), (PION, 5.0, -2.6, 0.0), (-ELECTRON, 200.0, 2.0, 0.90), (MUON, 5.0, 2.0, 0.98),
        (MUON, 2000.0, 0.0, 0.99 * np.exp(-0.5)),
    ],
)  # fmt: skip
def test_tracks_are_found_where_and_as_often_as_they_should(pdg: int, pt: float, eta: float, expected: float) -> None:
    count = 20_000
    assert efficiency(np.array([pdg]), np.array([pt]), np.array([eta]))[0] == pytest.approx(expected)
    many = particles(pdg, np.full(count, pt), eta, 0.3, 1.0)
    exit_ = _Straight(many) if pt < 1 else leave(many)
    found = len(measure(many, exit_, np.random.default_rng(1))) / count  # type: ignore[arg-type]
    # Bending moves the place at the calorimeter, on which acceptance depends, by little at these momenta.
    assert found == pytest.approx(expected, abs=5 * np.sqrt(0.25 / count) + 1e-9)


@dataclasses.dataclass
class _Straight:
    """Ends of paths without a field."""

    particles: Particles

    @property
    def inside(self) -> np.ndarray:
        return np.ones(len(self.particles), bool)

    @property
    def eta(self) -> np.ndarray:
        x, y, z = self.particles.momentum.T
        return np.arcsinh(z / np.hypot(x, y))


@pytest.mark.parametrize(
    ("pdg", "pt", "eta", "expected"),
    [(PION, 10.0, 0.0, np.hypot(0.06, 0.013)), (ELECTRON, 30.0, 1.0, np.hypot(0.05, 0.051)), (MUON, 50.0, 2.0, 0.0305)],
)
def test_tracks_are_measured_as_well_as_they_should(pdg: int, pt: float, eta: float, expected: float) -> None:
    assert resolution(np.array([pdg]), np.array([pt]), np.array([eta]))[0] == pytest.approx(expected, rel=0.01)
    many = particles(pdg, np.full(30_000, pt), eta, 0.3, 1.0)
    tracks = measure(many, leave(many), np.random.default_rng(2))
    assert (tracks.pt / pt).std() == pytest.approx(expected, rel=0.02)
    assert (tracks.pt / pt).mean() == pytest.approx(1.0, abs=0.003)
    assert (tracks.eta - eta).std() == pytest.approx(0.01, rel=0.02)
    assert (tracks.phi - 0.3).std() == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize("calorimeter", [ECAL, HCAL], ids=["ecal", "hcal"])
def test_every_direction_lies_in_one_cell_and_cells_tile(calorimeter: Calorimeter) -> None:
    grid = calorimeter.grid
    random = np.random.default_rng(0)
    eta, phi = random.uniform(-5, 5, 20_000), random.uniform(-np.pi, np.pi, 20_000)
    cell = grid.find(eta, phi)
    assert (cell >= 0).all()
    assert (cell < len(grid)).all()
    low_eta, high_eta, low_phi, high_phi = grid.bounds(cell)
    assert ((low_eta <= eta) & (eta <= high_eta) & (low_phi <= phi) & (phi <= high_phi)).all()
    whole = [bounds.astype(float) for bounds in grid.bounds(np.arange(len(grid)))]
    area = ((whole[1] - whole[0]) * (whole[3] - whole[2])).sum()
    assert area == pytest.approx((grid.edges[-1] - grid.edges[0]) * 2 * np.pi)
    assert (grid.find(np.array([5.1, -5.1, np.nan]), np.zeros(3)) == -1).all()


def _perfect(calorimeter: Calorimeter) -> Calorimeter:
    return dataclasses.replace(calorimeter, sigma=lambda eta, energy: np.zeros(len(energy)), energy_min=0.0)


def test_energy_is_kept_without_smearing_and_muons_and_neutrinos_leave_none() -> None:
    chosen = some(3000, 3, charged=False)
    kinds = np.array([PION, KLONG, PHOTON, ELECTRON, KSHORT, MUON, NEUTRINO])
    chosen = dataclasses.replace(chosen, pdg=kinds[np.arange(3000) % 7])
    exit_ = leave(chosen)
    cells = [deposit(_perfect(one), chosen, exit_, np.random.default_rng(0)) for one in (ECAL, HCAL)]
    seen = ~np.isin(chosen.pdg, (MUON, NEUTRINO)) & (np.abs(exit_.eta) < 5)
    assert cells[0].energy.sum() + cells[1].energy.sum() == pytest.approx(chosen.energy[seen].sum())
    electromagnetic = np.isin(chosen.pdg, (PHOTON, ELECTRON)) & seen
    wanted = chosen.energy[electromagnetic].sum() + 0.3 * chosen.energy[(chosen.pdg == KSHORT) & seen].sum()
    assert cells[0].energy.sum() == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("calorimeter", "pdg", "energy", "eta"),
    [(ECAL, PHOTON, 50.0, 0.5), (ECAL, PHOTON, 200.0, 2.0), (HCAL, KLONG, 80.0, 0.5), (HCAL, KLONG, 300.0, 4.0)],
)
def test_towers_are_measured_as_well_as_they_should(
    calorimeter: Calorimeter, pdg: int, energy: float, eta: float
) -> None:
    # One particle in each cell of a ring, again and again.
    count = 36
    phi = -np.pi + (np.arange(count) + 0.5) * 2 * np.pi / count
    ring = particles(pdg, energy / np.cosh(eta), eta, phi)
    random = np.random.default_rng(4)
    cells = [deposit(calorimeter, ring, leave(ring), random) for _ in range(300)]
    measured = np.concatenate([each.energy for each in cells])
    grid = calorimeter.grid
    low, high, *_ = grid.bounds(grid.find(np.array([eta]), np.array([0.1])))
    expected = calorimeter.sigma((low + high) / 2, np.array([energy]))[0]
    assert measured.mean() == pytest.approx(energy, rel=0.01)
    assert measured.std() == pytest.approx(expected, rel=0.05)


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
