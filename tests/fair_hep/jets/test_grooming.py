"""Groomed prongs: hard prongs are found, soft ones at wide angle are groomed away, and every jet ends."""

from __future__ import annotations

import numpy as np

from fair_hep.jets.grooming import find_prongs
from fair_hep.jets.subjets import NONE, find_subjets, jet_by_jet


def particles(prongs: list[tuple[float, float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return two massless constituents for each prong (pT, eta, phi), and the prong of each."""
    which = np.repeat(np.arange(len(prongs)), 2)
    pt, eta, phi = np.array(prongs)[which].T
    pt, eta = pt / 2, eta + 0.01 * (np.arange(len(which)) % 2)
    return np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], 1), which


THREE = [(300.0, 0.0, 0.0), (200.0, 0.3, 0.1), (100.0, 0.1, 0.35)]


def test_a_soft_prong_at_wide_angle_is_groomed_where_exclusive_subjets_keep_it() -> None:
    momenta, which = particles([*THREE, (4.0, -0.5, -0.2)])
    found = find_prongs(momenta)
    assert found[which < 3].tolist() == which[which < 3].tolist() and set(found[which == 3]) == {NONE}
    # The exclusive subjets spend one of their three on it: two hard prongs become one.
    assert len(set(find_subjets(momenta)[which < 3].tolist())) == 2


def test_fewer_splittings_give_fewer_prongs() -> None:
    momenta, _ = particles(THREE[:1])
    assert sorted(set(find_prongs(momenta).tolist())) == [0, 1]
    assert find_prongs(momenta[:1]).tolist() == [0]
    assert find_prongs(momenta[:0]).tolist() == []
    assert find_prongs(particles(THREE)[0], count=1).tolist() == [0] * 6


def test_prongs_are_numbered_by_pt_whatever_the_order() -> None:
    momenta, which = particles(THREE)
    order = np.random.default_rng(0).permutation(6)
    assert find_prongs(momenta[order]).tolist() == which[order].tolist()
    padded = np.zeros((1, 8, 4))
    padded[0, :6] = momenta
    assert jet_by_jet(find_prongs, padded)[0].tolist() == [*which.tolist(), NONE, NONE]


def test_two_jets_have_no_prongs() -> None:
    momenta, _ = particles([(300.0, 0.0, 0.0), (300.0, 0.0, 2.5)])
    assert set(find_prongs(momenta).tolist()) == {NONE}
