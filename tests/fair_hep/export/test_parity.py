"""Choices of neighbours: how they are recorded, and which answers hang on one that differs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fair_hep.export.parity import Choices, _reached
from fair_hep.nets import layers
from fair_hep.nets.layers import nearest


def test_blocks_of_a_search_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    points = torch.rand(2, 23, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(23) < torch.tensor([[23], [17]])

    def recorded(again: int) -> Choices:
        with Choices(keep=True) as choices:
            for _ in range(again):
                nearest(points, mask, 4)
        return choices

    whole = recorded(2)
    monkeypatch.setattr(layers, "PAIRS", 1)
    monkeypatch.setattr(layers, "_BLOCK", 2 * 23 * 5)
    blocks = recorded(2)
    assert [chosen.shape for chosen in whole.chosen] == [(2, 23, 4)] * 2
    assert blocks.counts == whole.counts == [4, 4]
    for first, second in zip(whole.chosen + whole.values, blocks.chosen + blocks.values, strict=True):
        np.testing.assert_array_equal(first, second)


def test_sets_smaller_than_the_number_of_neighbours_are_no_blocks() -> None:
    with Choices() as choices:
        for _ in range(2):
            nearest(
                torch.rand(3, 2, 2, generator=torch.Generator().manual_seed(0)), torch.ones(3, 2, dtype=torch.bool), 5
            )
    assert [chosen.shape for chosen in choices.chosen] == [(3, 2, 5)] * 2


def test_an_answer_hangs_on_its_own_choice_and_on_those_it_chose() -> None:
    """A chain: element n looks at n + 1. A doubtful first choice of 3 reaches 2 by the second layer, 1 by the third."""
    chain = np.array([[[1], [2], [3], [4], [-1]]])
    doubtful = np.zeros((1, 5), dtype=bool)
    doubtful[0, 3] = True
    nothing = np.zeros((1, 5), dtype=bool)

    def reached(*rows: np.ndarray) -> list[int]:
        return np.flatnonzero(_reached(rows, [(chain, chain)] * len(rows), (1, 5))[0]).tolist()

    assert reached(doubtful) == [3]
    assert reached(doubtful, nothing) == [2, 3]
    assert reached(doubtful, nothing, nothing) == [1, 2, 3]
    assert reached(nothing, nothing, doubtful) == [3]
    assert reached() == []


def test_what_either_side_chose_counts() -> None:
    first, second = np.array([[[1], [0], [0]]]), np.array([[[2], [0], [0]]])
    doubtful = np.array([[False, False, True]])
    differs = (first != second).any(-1)
    found = _reached([doubtful, differs], [(first, first), (first, second)], (1, 3))
    assert found.tolist() == [[True, False, True]]


def test_one_answer_for_an_example_hangs_on_any_choice_in_it() -> None:
    doubtful = np.array([[False, True], [False, False]])
    assert _reached([doubtful], [()], (2,)).tolist() == [True, False]
