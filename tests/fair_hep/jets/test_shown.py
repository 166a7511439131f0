"""Jets are drawn by a rule: the first with three hard subjets, then those that come nearest."""

from __future__ import annotations

import numpy as np
import pytest

from fair_hep.bundle.account import account
from fair_hep.jets.shown import choose_shown, softest_share
from fair_hep.study.relevances import Relevances


def part(start: int, labels: list[int]) -> Relevances:
    return Relevances({"example/index": np.arange(start, start + len(labels)), "example/label": np.array(labels)})


def test_first_that_pass_then_the_nearest_and_never_what_has_no_subjets() -> None:
    parts = [(part(0, [1, 1, 0, 1]), np.array([0.02, 0.2, 0.0, 0.3])), (part(4, [1, 0]), np.array([0.11, 0.01]))]

    def shown(count: int) -> list[int]:
        return [int(row["example/index"]) for row in choose_shown(parts, 2, count)]

    assert shown(2) == [1, 3, 5]
    assert shown(9) == [1, 3, 4, 0, 5]
    assert shown(0) == []


def test_share_of_the_softest_subjet_is_one_of_pt() -> None:
    momenta = np.zeros((2, 4, 4))
    momenta[:, :, 1] = [60.0, 30.0, 10.0, 0.0]
    jets = Relevances(
        {
            "example/elements": np.array([3, 3]),
            "element/relevance": np.zeros((2, 4, 1)),
            "element/subjet": np.array([[0, 1, 2, -1], [-1, -1, -1, -1]]),
        }
    )
    assert softest_share(jets, momenta).tolist() == pytest.approx([0.1, 0.0])


def test_account_shows_what_a_stabiliser_took() -> None:
    parts = {"ledger/inputs": 1.0, "ledger/bias": -0.5, "ledger/epsilon": 0.25, "ledger/lost": 0.0}
    assert account({"example/explained": 0.75, **parts}) == "0.75 = 1.00 (relevance) - 0.50 (bias) + 0.25 (stabiliser)"
