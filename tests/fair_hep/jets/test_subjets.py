"""Subjets: constituents are found again by number, prongs are told apart, and what can't be declustered says so."""

from __future__ import annotations

import numpy as np
import pytest

from fair_hep.jets.subjets import NONE, find_subjets, jet_by_jet

Prongs = list[tuple[float, float, float]]


def jet(prongs: Prongs, size: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return constituents around prongs (pT, eta, phi), in mixed order, and the prong of each."""
    generator = np.random.default_rng(seed)
    which = np.repeat(np.arange(len(prongs)), size)
    pt, eta, phi = np.array(prongs)[which].T
    eta, phi = eta + 0.01 * generator.normal(size=len(eta)), phi + 0.01 * generator.normal(size=len(phi))
    pt = pt / size
    momenta = np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], 1)
    order = generator.permutation(len(which))
    return momenta[order], which[order]


THREE: Prongs = [(300.0, 0.0, 0.0), (200.0, 0.4, 0.1), (100.0, 0.1, 0.45)]


def test_three_prongs_are_three_subjets_by_falling_pt() -> None:
    momenta, which = jet(THREE)
    assert find_subjets(momenta).tolist() == which.tolist()


def test_order_of_constituents_does_not_matter() -> None:
    momenta, which = jet(THREE)
    order = np.random.default_rng(1).permutation(len(which))
    assert find_subjets(momenta[order]).tolist() == which[order].tolist()


def test_equal_momenta_are_told_apart_by_number() -> None:
    momenta, which = jet(THREE)
    twice, both = np.concatenate([momenta, momenta]), np.concatenate([which, which])
    assert find_subjets(twice).tolist() == both.tolist()


@pytest.mark.parametrize("size", [0, 1, 2])
def test_too_few_constituents_are_not_declustered(size: int) -> None:
    momenta, _ = jet(THREE)
    assert find_subjets(momenta[:size]).tolist() == [NONE] * size


def test_two_separate_jets_are_not_declustered() -> None:
    momenta, _ = jet([(300.0, 0.0, 0.0), (300.0, 0.0, 2.5)])
    assert set(find_subjets(momenta).tolist()) == {NONE}


def test_padding_belongs_to_no_subjet() -> None:
    momenta, which = jet(THREE)
    padded = np.zeros((2, len(which) + 3, 4))
    padded[0, : len(which)] = momenta
    padded[1, :2] = momenta[:2]
    found = jet_by_jet(find_subjets, padded)
    assert found[0].tolist() == [*which.tolist(), NONE, NONE, NONE]
    assert set(found[1].tolist()) == {NONE}
