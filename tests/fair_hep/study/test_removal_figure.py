"""Curves of removal: as many as can be told apart, and never without those that others are measured by."""

from __future__ import annotations

from fair_hep.lrp.faithfulness import GRADIENT, RANDOM
from fair_hep.study.removal_figure import chosen_curves


def test_the_best_the_plain_and_the_random_are_drawn() -> None:
    names = ["lrp-0", "epsilon", "gamma", *(f"rules {number}" for number in range(7)), GRADIENT, RANDOM]
    removal = {name: {"area": float(number)} for number, name in enumerate(names)}
    shown = chosen_curves({"removal": removal, "recommended": "gamma"})
    assert shown == [RANDOM, GRADIENT, "rules 6", "rules 5", "rules 4", "gamma", "epsilon"]
    assert chosen_curves({"removal": {RANDOM: {"area": 0.0}, "gamma": {"area": 1.0}}, "recommended": "gamma"}) == [
        "gamma",
        RANDOM,
    ]
