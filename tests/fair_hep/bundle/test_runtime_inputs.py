"""What the runtime accepts before anything runs: codes, limits, and passes that fit into memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fair_hep.bundle import TensorSpec
from fair_hep.bundle.errors import DataError
from fair_hep.bundle.inputs import ELEMENTS, cut, cuts, pad

SPEC = TensorSpec(
    name="elements",
    axes=["events", "elements", "column"],
    dynamic=["events", "elements"],
    sizes={"column": 2},
    dtype="float32",
    meaning="elements of an event",
    columns=["type", "energy"],
    unit="GeV",
    allowed={"type": [1, 2]},
    limits={"elements": 4},
)


def test_codes_and_lengths_that_are_allowed_are_padded() -> None:
    padded = pad(SPEC, [[[1, 5]], [[2, 1], [1, -3], [0, 0], [2, 8]], []])
    assert padded.shape == (3, 4, 2)
    assert padded[1].tolist() == [[2, 1], [1, -3], [0, 0], [2, 8]]
    assert not padded[2].any()


@pytest.mark.parametrize(
    ("example", "words"),
    [
        ([[1, 5], [3, 5]], r"elements\[7\]\[1, 0\] \(type\): got 3, expected 1 or 2"),
        ([[0, 5]], r"elements\[7\]\[0, 0\] \(type\): got 0, expected 1 or 2"),
        ([[1.5, 5]], r"got 1.5, expected 1 or 2"),
        ([[1, 5]] * 5, r"elements\[7\]: got 5 elements, expected at most 4"),
        ([[1, np.nan]], r"elements\[7\]\[0, 1\] \(energy\): got nan, expected a finite number"),
        ([[1, 5, 6]], r"elements\[7\]: got shape \[1, 3\], expected \[elements, 2\]"),
    ],
)
def test_what_no_element_can_be_is_one_line_that_says_where(example: Any, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        pad(SPEC, [example], [7])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_passes_hold_every_example_once_and_stay_small(batch: int) -> None:
    sizes = np.random.default_rng(0).integers(0, 300, 60).tolist()
    found = list(cuts(sizes, batch))
    assert [number for start, stop in found for number in range(start, stop)] == list(range(60))
    for start, stop in found:
        assert stop - start <= batch
        assert stop - start == 1 or (stop - start) * max(sizes[start:stop]) <= ELEMENTS
    # A pass ends only where the next example doesn't fit.
    for start, stop in found[:-1]:
        assert stop - start == batch or (stop + 1 - start) * max(sizes[start : stop + 1]) > ELEMENTS


def test_no_examples_are_no_pass() -> None:
    assert list(cuts([], 5)) == []


def test_only_padding_at_the_end_is_cut() -> None:
    assert cut(SPEC, np.array([[0, 0], [1, 5], [0, 0], [2, 1], [0, 0]])).tolist() == [[0, 0], [1, 5], [0, 0], [2, 1]]
    assert cut(SPEC, np.zeros((3, 2))).shape == (0, 2)
