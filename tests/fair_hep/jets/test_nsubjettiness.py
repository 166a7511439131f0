"""N-subjettiness, with FastJet's own (fjcontrib's Nsubjettiness) as peer."""

from __future__ import annotations

import awkward as ak
import fastjet
import numpy as np
import pytest

from fair_hep.jets.nsubjettiness import RADIUS, tau


def jets(count: int, seed: int = 0, *, prongs: int = 3, width: float = 0.05) -> np.ndarray:
    """Return zero-padded jets of 5 to 40 massive constituents around some prongs, across phi = pi."""
    random = np.random.default_rng(seed)
    centre = random.uniform(-0.4, 0.4, (count, prongs, 2)) + np.array([0.3, np.pi])
    which = random.integers(0, prongs, (count, 40))
    eta, phi = np.moveaxis(centre[np.arange(count)[:, None], which] + random.normal(0, width, (count, 40, 2)), -1, 0)
    pt = random.exponential(10, (count, 40)) + 0.1
    vector = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], -1)
    energy = np.sqrt((vector**2).sum(-1, keepdims=True) + 0.14**2)
    real = np.arange(40) < random.integers(5, 41, count)[:, None]
    return np.concatenate([energy, vector], -1) * real[..., None]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_it_agrees_with_fastjets_own(n: int) -> None:
    particles = jets(40, n)
    ours = tau(particles, n)
    for jet, value in zip(particles, ours, strict=True):
        rows = jet[jet[:, 0] > 0]
        columns = {name: rows[:, number] for number, name in enumerate(("E", "px", "py", "pz"))}
        # One "jet" that holds all constituents, so that njettiness sees every one of them.
        clusters = fastjet.ClusterSequence(
            ak.Array([ak.zip(columns, with_name="Momentum4D")]), fastjet.JetDefinition(fastjet.kt_algorithm, 5.0)
        )
        theirs = clusters.njettiness("NormalizedMeasure", "KT_Axes", [n], 1.0, RADIUS)
        assert value == pytest.approx(float(np.ravel(ak.to_numpy(ak.flatten(theirs, axis=None)))[0]), rel=1e-9)


def test_prongs_are_counted_and_more_axes_describe_a_jet_better() -> None:
    three, one = jets(200, 1, width=0.02), jets(200, 2, prongs=1, width=0.15)
    ratio = [np.median(tau(some, 3) / tau(some, 2)) for some in (three, one)]
    assert ratio[0] < 0.5 < ratio[1]
    values = np.stack([tau(three, n) for n in (1, 2, 3)])
    assert (values > 0).all()
    assert (np.diff(values.mean(1)) < 0).all()


def test_unit_turn_and_order_do_not_matter() -> None:
    particles = jets(20, 3)
    before, expected = particles.copy(), tau(particles, 2)
    np.testing.assert_allclose(tau(1000 * particles, 2), expected, rtol=1e-9)
    np.testing.assert_allclose(tau(particles[:, ::-1], 2), expected, rtol=1e-9)
    turned = particles.copy()
    turned[..., 1], turned[..., 2] = -particles[..., 2], particles[..., 1]
    np.testing.assert_allclose(tau(turned, 2), expected, rtol=1e-9)
    np.testing.assert_array_equal(particles, before)


def test_few_constituents_are_their_own_axes_and_none_has_no_value() -> None:
    particles = jets(3, 4)
    particles[1, 2:], particles[2] = 0, 0
    values = tau(particles, 2)
    assert values[0] > 0
    assert values[1] == 0
    assert np.isnan(values[2])
    with pytest.raises(ValueError, match="n: got 0, expected 1 or more"):
        tau(particles, 0)
