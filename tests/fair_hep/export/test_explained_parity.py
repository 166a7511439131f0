"""Which examples single precision determines, and that what remains can't differ by more than the tolerance."""

from __future__ import annotations

import numpy as np
import pytest

from fair_hep.export.explained_parity import Arrays, _compared
from fair_hep.tracing.explained import RELEVANCE

TOLERANCE = 1e-3
EXACT = np.random.default_rng(0).uniform(-1, 1, (6, 5, 3))
EXACT[:, 0, 0] = 1.0  # the largest relevance of every example


def off(*shifts: float) -> Arrays:
    """Return relevances with one entry of each example off by parts of the tolerance."""
    values = EXACT.copy()
    values[:, 1, 1] += TOLERANCE * np.array(shifts)
    return {RELEVANCE: values}


@pytest.mark.parametrize("place", [0, 1, 3])
def test_any_rounding_by_more_than_half_the_tolerance_leaves_an_example_out(place: int) -> None:
    roundings = [off(*[0.0] * 6) for _ in range(4)]
    roundings[place] = off(0.0, 0.4, 0.6, -0.6, 0.9, -2.0)
    parity, steady = _compared("some", off(*[0.0] * 6), roundings, {RELEVANCE: EXACT}, TOLERANCE)
    assert steady.tolist() == [True, True, False, False, False, False]
    assert parity.flipped == 4


def test_two_roundings_within_half_the_tolerance_differ_by_all_of_it_at_most() -> None:
    """A graph that rounds as far as a determined example allows is within the tolerance, whichever way it rounds."""
    theirs, ours = off(*[-0.499] * 6), [off(*[0.499] * 6)] * 4
    parity, steady = _compared("some", theirs, ours, {RELEVANCE: EXACT}, TOLERANCE)
    assert steady.all()
    assert 0.9 * TOLERANCE < parity.largest <= TOLERANCE


def test_a_graph_that_is_wrong_is_found_though_every_rounding_agrees() -> None:
    parity, steady = _compared(
        "some", off(0, 0, 0, 0, 0, 5.0), [off(*[0.1] * 6)] * 4, {RELEVANCE: EXACT}, TOLERANCE
    )  # fmt: skip
    assert steady.all()
    assert parity.largest > 4 * TOLERANCE
