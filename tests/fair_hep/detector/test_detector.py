"""The parametrised detector: paths, tracks and calorimeters do what their numbers say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fair_hep.bundle.errors import ConfigError
from fair_hep.detector.calorimeter import Calorimeter, Resolution, deposit
from fair_hep.detector.cards import ATLAS, CMS, Card, choose
from fair_hep.detector.particles import Particles
from fair_hep.detector.propagation import leave
from fair_hep.detector.tracks import efficiency, lognormal, measure, resolution
from support.generated import ELECTRON, KLONG, KSHORT, MUON, NEUTRINO, PHOTON, PION, particles

#: Speed of light in metres per nanosecond: a momentum of p GeV in B tesla has a radius of p / (_C B) metres.
_C = 0.299792458
BOTH = pytest.mark.parametrize("card", [CMS, ATLAS], ids=["cms", "atlas"])
CALORIMETERS = pytest.mark.parametrize(
    "calorimeter", [CMS.ecal, CMS.hcal, ATLAS.ecal, ATLAS.hcal], ids=["crystals", "cms", "liquid argon", "tiles"]
)


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


def integrated(one: Particles, card: Card, step: float = 1e-4) -> np.ndarray:
    """Follow one particle through the field in small steps (an independent answer): where it first gets out."""
    place, direction = one.vertex[0].copy(), one.momentum[0] / one.energy[0]
    turn = -one.charge[0] * _C * card.solenoid.field / one.energy[0] * step
    for _ in range(int(1e6)):
        before = place.copy()
        half = turn / 2
        for angle, move in ((half, True), (half, False)):
            cosine, sine = np.cos(angle), np.sin(angle)
            x, y = direction[0], direction[1]
            direction[0], direction[1] = cosine * x - sine * y, sine * x + cosine * y
            if move:
                place = place + step * direction
        if np.hypot(place[0], place[1]) > card.solenoid.radius or abs(place[2]) > card.solenoid.half_length:
            return (before + place) / 2
    raise AssertionError("it never gets out")


@BOTH
def test_a_helix_ends_where_small_steps_end(card: Card) -> None:
    chosen = some(12, low=0.3)
    ends = leave(chosen, card.solenoid).place
    for number in range(12):
        assert np.allclose(ends[number], integrated(chosen[np.array([number])], card, 5e-4), atol=2e-3)


@BOTH
@pytest.mark.parametrize("charged", [True, False])
def test_every_end_lies_on_the_cylinder_and_ahead(charged: bool, card: Card) -> None:
    chosen = some(500, 1, charged=charged)
    radius, half_length = card.solenoid.radius, card.solenoid.half_length
    exit_ = leave(chosen, card.solenoid)
    assert exit_.inside.all()
    across, along = np.hypot(exit_.place[:, 0], exit_.place[:, 1]), np.abs(exit_.place[:, 2])
    side, end = np.isclose(across, radius, atol=1e-9), np.isclose(along, half_length, atol=1e-9)
    assert (side | end).all()
    assert (across <= radius + 1e-9).all()
    assert (along <= half_length + 1e-9).all()
    assert ((exit_.place[:, 2] - chosen.vertex[:, 2]) * chosen.momentum[:, 2] > 0).all()


@BOTH
def test_neutral_particles_go_straight_and_charges_bend_to_both_sides(card: Card) -> None:
    straight = leave(particles(PHOTON, 5.0, 0.7, 1.0), card.solenoid)
    assert straight.phi[0] == pytest.approx(1.0)
    assert straight.eta[0] == pytest.approx(0.7)
    plus, minus = leave(particles(PION, [5.0, 5.0], 0.7, 1.0, [1.0, -1.0]), card.solenoid).phi - 1.0
    assert plus == pytest.approx(-minus)
    # The chord of a circle of radius r that starts in the middle: sin(bend) = R / 2r; positive ones turn clockwise.
    assert plus == pytest.approx(-np.arcsin(card.solenoid.radius * _C * card.solenoid.field / (2 * 5.0)))


@BOTH
def test_a_slow_particle_curls_and_leaves_through_an_end(card: Card) -> None:
    least = _C * card.solenoid.field * card.solenoid.radius / 2
    for pt, curls in ((0.95 * least, True), (1.05 * least, False)):
        z = leave(particles(PION, pt, 0.1, 0.0, 1.0), card.solenoid).place[0, 2]
        assert np.isclose(z, card.solenoid.half_length) == curls


@BOTH
def test_a_particle_that_is_made_outside_or_along_the_beam_leaves_nothing(card: Card) -> None:
    outside = particles(PHOTON, 5.0, 0.0, 0.0, vertex=(1.4, 0.0, 0.0))
    along = Particles(np.array([PHOTON]), np.zeros(1), np.array([[0.0, 0.0, 5.0]]), np.full(1, 5.0), np.zeros((1, 3)))
    for one in (outside, along):
        assert not leave(one, card.solenoid).inside.any()
        assert not len(measure(card.tracking, one, leave(one, card.solenoid), np.random.default_rng(0)))


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
    assert efficiency(CMS.tracking, np.array([pdg]), np.array([pt]), np.array([eta]))[0] == pytest.approx(expected)
    many = particles(pdg, np.full(count, pt), eta, 0.3, 1.0)
    exit_ = _Straight(many) if pt < 1 else leave(many, CMS.solenoid)
    found = len(measure(CMS.tracking, many, exit_, np.random.default_rng(1))) / count  # type: ignore[arg-type]
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
    assert resolution(CMS.tracking, np.array([pdg]), np.array([pt]), np.array([eta]))[0] == pytest.approx(
        expected, rel=0.01
    )
    many = particles(pdg, np.full(30_000, pt), eta, 0.3, 1.0)
    tracks = measure(CMS.tracking, many, leave(many, CMS.solenoid), np.random.default_rng(2))
    assert (tracks.pt / pt).std() == pytest.approx(expected, rel=0.02)
    assert (tracks.pt / pt).mean() == pytest.approx(1.0, abs=0.003)
    assert (tracks.eta - eta).std() == pytest.approx(0.01, rel=0.02)
    assert (tracks.phi - 0.3).std() == pytest.approx(0.01, rel=0.02)


@CALORIMETERS
def test_every_direction_lies_in_one_cell_and_cells_tile(calorimeter: Calorimeter) -> None:
    grid = calorimeter.grid
    random = np.random.default_rng(0)
    eta, phi = random.uniform(grid.edges[0], grid.edges[-1], 20_000), random.uniform(-np.pi, np.pi, 20_000)
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
    class Nothing(Resolution):
        def __call__(self, eta: np.ndarray, energy: np.ndarray) -> np.ndarray:
            return np.zeros(len(energy))

    return dataclasses.replace(calorimeter, sigma=Nothing(calorimeter.sigma.regions), energy_min=0.0)


@BOTH
def test_energy_is_kept_without_smearing_and_muons_and_neutrinos_leave_none(card: Card) -> None:
    chosen = some(3000, 3, charged=False)
    kinds = np.array([PION, KLONG, PHOTON, ELECTRON, KSHORT, MUON, NEUTRINO])
    chosen = dataclasses.replace(chosen, pdg=kinds[np.arange(3000) % 7])
    exit_ = leave(chosen, card.solenoid)
    both = card.ecal, card.hcal
    cells = [deposit(_perfect(one), chosen, exit_, np.random.default_rng(0)) for one in both]
    seen = ~np.isin(chosen.pdg, (MUON, NEUTRINO)) & (np.abs(exit_.eta) < min(one.grid.edges[-1] for one in both))
    assert cells[0].energy.sum() + cells[1].energy.sum() == pytest.approx(chosen.energy[seen].sum())
    electromagnetic = np.isin(chosen.pdg, (PHOTON, ELECTRON)) & seen
    wanted = chosen.energy[electromagnetic].sum() + 0.3 * chosen.energy[(chosen.pdg == KSHORT) & seen].sum()
    assert cells[0].energy.sum() == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("calorimeter", "pdg", "energy", "eta"),
    [
        (CMS.ecal, PHOTON, 50.0, 0.5),
        (CMS.ecal, PHOTON, 200.0, 2.0),
        (CMS.hcal, KLONG, 80.0, 0.5),
        (CMS.hcal, KLONG, 300.0, 4.0),
        (ATLAS.ecal, PHOTON, 50.0, 0.5),
        (ATLAS.hcal, KLONG, 80.0, 2.0),
    ],
)
def test_towers_are_measured_as_well_as_they_should(
    calorimeter: Calorimeter, pdg: int, energy: float, eta: float
) -> None:
    # One particle in each cell of a ring, again and again.
    count = 36
    phi = -np.pi + (np.arange(count) + 0.5) * 2 * np.pi / count
    ring = particles(pdg, energy / np.cosh(eta), eta, phi)
    random = np.random.default_rng(4)
    cells = [deposit(calorimeter, ring, leave(ring, CMS.solenoid), random) for _ in range(300)]
    measured = np.concatenate([each.energy for each in cells])
    grid = calorimeter.grid
    low, high, *_ = grid.bounds(grid.find(np.array([eta]), np.array([0.1])))
    expected = calorimeter.sigma((low + high) / 2, np.array([energy]))[0]
    assert measured.mean() == pytest.approx(energy, rel=0.01)
    assert measured.std() == pytest.approx(expected, rel=0.05)


def test_cards_have_the_numbers_of_their_source() -> None:
    """Spot checks of formulas, written out as in Delphes' own cards."""
    energy = np.array([20.0])
    for eta, expected in ((0.0, np.hypot(0.0017 * 20, 0.101 * np.sqrt(20))), (4.0, np.hypot(0.7, 0.285 * np.sqrt(20)))):
        assert ATLAS.ecal.sigma(np.array([eta]), energy)[0] == pytest.approx(expected)
    expected = np.sqrt((0.0302 * 20) ** 2 + 0.5205**2 * 20 + 1.59**2)
    assert ATLAS.hcal.sigma(np.array([-1.7]), energy)[0] == pytest.approx(expected)
    assert ATLAS.hcal.sigma(np.array([1.8]), energy)[0] == pytest.approx(np.sqrt(1.0 + 0.706**2 * 20))
    crystal = np.sqrt((0.008 * 20) ** 2 + 0.11**2 * 20 + 0.4**2)
    assert CMS.ecal.sigma(np.array([-1.0]), energy)[0] == pytest.approx(1.64 * crystal)
    assert CMS.ecal.sigma(np.array([2.5]), energy)[0] == pytest.approx((2.16 + 5.6 * 0.25) * crystal)
    low, high, start, end = ATLAS.hcal.grid.bounds(ATLAS.hcal.grid.find(np.array([0.05, 2.95, -2.95]), np.zeros(3)))
    assert high - low == pytest.approx([0.1, 0.2, 0.2])
    assert np.degrees(end - start) == pytest.approx([10, 20, 20])
    assert ATLAS.tracking.angle == 0.0


def test_a_coarse_card_has_the_same_cells_in_both_calorimeters() -> None:
    assert choose("ATLAS") is ATLAS
    coarse = choose("ATLAS", "coarse")
    assert coarse.ecal.grid is ATLAS.hcal.grid
    assert coarse.ecal.sigma is ATLAS.ecal.sigma
    assert coarse.hcal is ATLAS.hcal
    with pytest.raises(ConfigError, match="card: got 'ALEPH', expected one of CMS, ATLAS"):
        choose("ALEPH")
    with pytest.raises(ConfigError, match="granularity: got 'rough', expected one of fine, coarse"):
        choose("CMS", "rough")


@BOTH
def test_events_at_once_are_events_one_by_one(card: Card) -> None:
    """What is measured without smearing doesn't depend on which events share a call, nor on their order."""
    events = [some(60, seed, charged=False) for seed in (1, 2)]
    joined, event = Particles.joined(events), np.repeat([0, 1], 60)
    for calorimeter in (_perfect(card.ecal), _perfect(card.hcal)):
        both = deposit(calorimeter, joined, leave(joined, card.solenoid), np.random.default_rng(0), event)
        for number, alone in enumerate(events):
            cells = deposit(calorimeter, alone, leave(alone, card.solenoid), np.random.default_rng(0))
            np.testing.assert_allclose(both.energy[both.event == number], cells.energy)
            of = both.of[event == number]
            np.testing.assert_array_equal(of < 0, cells.of < 0)
            np.testing.assert_allclose(both.energy[of[of >= 0]], cells.energy[cells.of[cells.of >= 0]])
