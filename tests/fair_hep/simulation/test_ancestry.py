"""Ancestors of particles: exact where there are only partons, by the stated rule where there are strings."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from fair_hep.data.toptag import ORIGINS
from fair_hep.simulation import jet_generator
from fair_hep.simulation.ancestry import AMBIGUOUS, leading_splitting, origins, parents
from fair_hep.simulation.jet_objects import Objects
from fair_hep.simulation.jet_options import JetOptions
from fair_hep.simulation.pythia import start
from fair_hep.simulation.record import Record
from support.needs import require

B, Q = ORIGINS["b"], ORIGINS["q"]


def record(*rows: tuple[int, int, int, int, float, float, float]) -> Record:
    """Make one event from pdg, status, both mothers, pT, eta and phi; entry 0 is the event."""
    table = np.array([(90, -11, 0, 0, 0.0, 0.0, 0.0), *rows])
    pdg, status, first, second = table[:, :4].astype(int).T
    pt, eta, phi = table[:, 4:].T
    momentum = np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], 1)
    size = len(table)
    mothers = np.stack([first, second], 1)
    return Record(pdg, status, mothers, 0 * mothers, momentum, np.zeros((size, 3)), np.array([0, size]))


def test_a_chain_of_mothers_ends_at_its_ancestor_and_others_are_none() -> None:
    event = record(
        (5, -23, 0, 0, 100, 0, 0), (2, -23, 0, 0, 80, 1, 1), (5, -51, 1, 0, 60, 0, 0), (21, 51, 1, 0, 40, 0.1, 0),
        (5, 62, 3, 3, 60, 0, 0), (21, 51, 2, 0, 5, 1, 1), (21, 43, 0, 0, 5, 3, 1),
    )  # fmt: skip
    assert origins(event, np.array([1, 2]), np.array([B, Q])).tolist() == [0, B, Q, B, B, B, Q, 0]


def test_of_two_mothers_the_nearer_counts() -> None:
    event = record(
        (5, -23, 0, 0, 90, 0, 0), (2, -23, 0, 0, 80, 1, 0), (21, 51, 1, 2, 9, 0.9, 0), (21, 51, 2, 1, 9, 0.2, 0)
    )
    assert parents(event)[3:].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("eta", "expected"),
    [(0.1, B), (0.9, Q), (0.5, ORIGINS["shared"]), (0.3, B), (0.36, ORIGINS["shared"])],
)
def test_a_hadron_comes_from_the_nearest_parton_unless_another_is_nearly_as_near(eta: float, expected: int) -> None:
    """Two partons at eta = 0 and 1: a hadron is ambiguous between a third and two thirds, for a factor of 2."""
    assert AMBIGUOUS == 2.0
    event = record(
        (5, -71, 0, 0, 90, 0, 0), (-2, -71, 0, 0, 80, 1, 0), (511, -83, 1, 2, 9, eta, 0), (22, 91, 3, 0, 4, 0.5, 0)
    )
    found = origins(event, np.array([1, 2]), np.array([B, Q]))
    # What a hadron decays to comes from where the hadron does, wherever it flies.
    assert found[3:].tolist() == [expected, expected]


def test_the_leading_splitting_has_the_largest_kt_within_the_jet() -> None:
    event = record(
        (21, -23, 0, 0, 600, 0, 0), (21, -23, 0, 0, 600, 0, 3), (21, -51, 1, 0, 500, 0, 0), (21, 51, 1, 0, 100, 2.0, 0),
        (21, -51, 3, 0, 400, 0, 0), (21, 51, 3, 0, 90, 0.5, 0), (21, 51, 5, 0, 380, 0, 0), (21, 51, 5, 0, 20, 0.5, 0),
    )  # fmt: skip
    axis = event.momentum[1]
    # The first splitting is the harder one (kT 200), but too wide; the last one has kT 10.
    assert leading_splitting(event, 0, parents(event), axis, 0.8) == (5, 6)
    assert leading_splitting(event, 0, parents(event), axis, 3.0) == (3, 4)
    assert leading_splitting(event, 0, parents(event), event.momentum[2], 0.8) is None


def test_an_object_is_of_the_origin_that_gave_most_of_its_energy() -> None:
    objects = Objects(
        np.ones((2, 4)), np.zeros(2, int), np.array([0, 0, 0, 1]), np.array([0, 1, 2, 2]), np.array([3, 2, 2, 1.0])
    )
    assert objects.origins(np.array([B, Q, Q])).tolist() == [Q, Q]
    assert objects.origins(np.array([B, 0, Q])).tolist() == [B, Q]


def need_pythia() -> None:
    require(importlib.util.find_spec("pythia8mc"), "pythia8mc isn't installed")
    require(importlib.util.find_spec("fastjet"), "fastjet isn't installed")


@pytest.mark.parametrize("shower", ["default", "vincia"])
def test_without_hadrons_every_parton_has_its_exact_ancestor(shower: str) -> None:
    """Followed one by one through Pythia's own record (an independent answer); momenta of the decay add up."""
    need_pythia()
    pythia = start([*jet_generator.settings("top", shower), "HadronLevel:all = off"], 3)
    event = Record.of(pythia.nextBatch(2).prt)
    w_boson, top = event.last(24), event.last(6)
    quarks = np.concatenate([event.daughters[w_boson], event.daughters[top]], 1)
    quarks = np.array([[place for place in row if abs(event.pdg[place]) < 6] for row in quarks])
    codes = np.tile([2, 3, 1], len(quarks))
    found = origins(event, quarks.ravel(), codes)
    final = np.flatnonzero(event.status > 0)
    given = dict(zip(quarks.ravel().tolist(), codes.tolist(), strict=True))
    for place in final:
        expected, todo = set(), [int(place)]
        while todo:
            one = todo.pop()
            if one in given:
                expected.add(given[one])
            else:
                start_ = event.starts[event.event[one]]
                todo += [int(mother) for mother in set(event.mothers[one]) if start_ < mother < one]
        if shower == "default":
            assert {found[place]} == (expected or {0})
        else:
            # Vincia's gluons have two mothers: the nearer may be another one, also the top before its decay.
            assert found[place] in {0, *expected}
    for number in range(2 if shower == "default" else 0):
        here = final[event.event[final] == number]
        decay = event.momentum[here][found[here] > 0].sum(0)
        # All that the top's quarks radiate is the top again.
        expected_momentum = event.momentum[top[number]]
        assert np.abs(decay - expected_momentum).max() < 0.02 * expected_momentum[0]


@pytest.mark.slow
def test_levels_see_the_same_tops_and_detectors_see_less() -> None:
    need_pythia()
    made = [jet_generator.generate("top", 30, 5, JetOptions(level=level)) for level in ("particle", "detector")]
    again = jet_generator.generate("top", 20, 5)
    assert (again.particles == made[1].particles[:20]).all()
    assert (again.origin == made[1].origin[:20]).all()
    counts = [(jets.particles[..., 0] > 0).sum(1).mean() for jets in made]
    assert counts[0] > 1.05 * counts[1] > 30
    tops = [set(map(tuple, jets.truth.tolist())) for jets in made]
    assert len(tops[0] & tops[1]) > 10
    for jets in made:
        assert not jets.origin[jets.particles[..., 0] == 0].any()
        total = jets.particles[..., 0].sum()
        assert jets.particles[..., 0][np.isin(jets.origin, (1, 2, 3))].sum() > 0.85 * total
