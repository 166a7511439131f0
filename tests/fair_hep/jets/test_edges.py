"""Edges and subjets of jets: measures by hand, and tables of several networks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fair_hep.jets.edges import angle_and_mass, between, top_edges
from fair_hep.jets.momenta import COMPONENTS, four_momenta
from fair_hep.jets.tables import EdgeTables, spectrum
from fair_hep.study.relevances import Relevances

CLASSES = ("QCD", "top")
FEATURES = tuple("abcdefg")


def one_jet() -> Relevances:
    """Return a jet of four constituents in two subjets, with edges whose relevance is known."""
    share = np.array([[[0.4, 0.1], [0.2, 0.0], [0.3, 0.0], [0.0, 0.0]]])
    neighbour = np.array([[[1, 2], [3, -1], [0, -1], [-1, -1]]])
    momentum = np.array([[[5.0, 3.0, 0.0, 4.0], [5.0, 0.0, 3.0, 4.0], [10.0, 6.0, 0.0, 8.0], [5.0, -3.0, 0.0, 4.0]]])
    angles = np.array([[[0.0, 0.0], [0.3, 0.4], [0.0, 3.1], [0.0, -3.1]]])
    return Relevances(
        {
            "example/index": np.array([0]),
            "example/elements": np.array([4]),
            "example/axis": momentum.sum(1),
            "ledger/inputs": np.array([1.0]),
            "ledger/bias": np.array([0.5]),
            "element/subjet": np.array([[0, 0, 1, 1]]),
            "element/prong": np.array([[0, -1, 1, 1]]),
            "element/input": momentum,
            "element/angles": angles,
            "edge0/neighbour": neighbour,
            "edge0/share": share,
            "edge0/relevance": share,
        }
    )


def test_most_relevant_edges_are_ordered_and_end_where_edges_end() -> None:
    here, there, exists = top_edges(one_jet(), 0, 6)
    assert exists[0].tolist() == [True, True, True, True, False, False]
    assert list(zip(here[0][:4].tolist(), there[0][:4].tolist(), strict=True)) == [(0, 1), (2, 0), (1, 3), (0, 2)]


def test_fractions_between() -> None:
    # In order: 0-1 within, 2-0 between, 1-3 between, 0-2 between; the fifth doesn't exist.
    assert between(one_jet(), 0, one_jet()["element/subjet"], 5)[0].tolist() == pytest.approx(
        [0, 1 / 2, 2 / 3, 3 / 4, 3 / 4]
    )
    part = one_jet()
    part["element/subjet"][:] = -1
    assert np.isnan(between(part, 0, part["element/subjet"], 5)).all()


def test_an_end_without_a_side_joins_nothing() -> None:
    # Of the same edges 0-1 and 1-3 have an end that was groomed away.
    part = one_jet()
    assert between(part, 0, part["element/prong"], 4)[0].tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])


def test_angle_and_mass_of_edges() -> None:
    angle, mass = angle_and_mass(one_jet(), 0, one_jet()["element/input"], 5)
    assert angle[0, 0] == pytest.approx(0.5)
    assert mass[0, 0] == pytest.approx(np.sqrt(100 - 9 - 9 - 64))
    assert mass[0, 1] == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(angle[0, 4])
    # phi is a circle: 3.1 and -3.1 are neighbours.
    part = one_jet()
    part["edge0/neighbour"] = np.array([[[-1, -1], [-1, -1], [3, -1], [-1, -1]]])
    assert angle_and_mass(part, 0, part["element/input"], 1)[0][0, 0] == pytest.approx(2 * np.pi - 6.2)


def test_spectrum_counts_edges_and_its_error_counts_jets() -> None:
    values = np.array([[0.1, 0.1, np.nan], [0.3, 0.3, 9.0], [0.1, 0.3, 0.1]])
    fraction, error = spectrum(values, np.array([0.0, 0.2, 0.4]))
    assert fraction.tolist() == pytest.approx([4 / 8, 4 / 8])  # what lies above counts in the last bin
    # By hand: counts less their expectation are 1, -1.5, 0.5 for edges 2, 3, 3.
    assert error.tolist() == pytest.approx([np.sqrt((1 + 2.25 + 0.25) * 3 / 2) / 8] * 2)
    assert np.isnan(spectrum(np.full((2, 2), np.nan), np.array([0.0, 1.0]))[0]).all()


def test_average_over_networks_has_their_spread() -> None:
    tables = []
    for network in (0, 1):
        one = EdgeTables(CLASSES, COMPONENTS, FEATURES, 1, top_edges=5, heavy_edges=2)
        part = one_jet()
        part |= {
            "example/label": np.array([network]),
            "ledger/error": np.array([2e-6]),
            "element/relevance": np.ones((1, 4, 7)),
        }
        one.add(part)
        assert one.above(1e-6) == 1 and one.above(1e-5) == 0
        tables.append(one.found(draws=0))
    found = one.average([tables[1], tables[1]])
    assert found["fractions"]["subjets"][0]["top"]["mean"] == pytest.approx([0, 1 / 2, 2 / 3, 3 / 4, 3 / 4])
    assert found["fractions"]["subjets"][0]["top"]["error"] == [0.0] * 5
    assert found["areas"]["mass"][-1] == {"auc": None, "error": None}  # there is no QCD jet
    changed = json.loads(json.dumps(tables[1]))
    changed["fractions"]["subjets"][0]["top"]["mean"][0] = 0.5
    found = one.average([tables[1], changed])
    assert found["fractions"]["subjets"][0]["top"]["mean"][0] == 0.25
    assert found["fractions"]["subjets"][0]["top"]["error"][0] == pytest.approx(np.sqrt(0.125))


def test_four_momenta_come_from_whatever_columns_a_network_takes() -> None:
    momenta = one_jet()["element/input"]
    energy, px, py, pz = np.moveaxis(momenta, -1, 0)
    pt = np.hypot(px, py)
    other = np.stack([pt, np.arcsinh(pz / pt), np.arctan2(py, px), energy], -1)
    np.testing.assert_allclose(four_momenta(other, ("pt", "eta", "phi", "E")), momenta, atol=1e-12)
    assert four_momenta(momenta, COMPONENTS).tolist() == momenta.tolist()
