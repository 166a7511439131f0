"""Curves of removal: as many as can be told apart, and never without those that others are measured by."""

from __future__ import annotations

from fair_hep.lrp.faithfulness import GRADIENT, RANDOM
from fair_hep.study.removal_figure import alike, chosen_curves


def test_the_best_the_plain_and_the_random_are_drawn() -> None:
    names = ["lrp-0", "epsilon", "gamma", *(f"rules {number}" for number in range(7)), GRADIENT, RANDOM]
    removal = {name: {"area": float(number)} for number, name in enumerate(names)}
    shown = chosen_curves({"removal": removal, "recommended": "gamma"})
    assert shown == [RANDOM, GRADIENT, "rules 6", "rules 5", "rules 4", "gamma", "epsilon"]
    assert chosen_curves({"removal": {RANDOM: {"area": 0.0}, "gamma": {"area": 1.0}}, "recommended": "gamma"}) == [
        "gamma",
        RANDOM,
    ]


def test_curves_on_each_other_are_one() -> None:
    def row(area: float, shift: float) -> dict[str, object]:
        return {"area": area, "deletion": [1.0, 0.0 + shift], "insertion": [0.0, 1.0]}

    rows = {
        "gamma": row(3, 0.3),
        GRADIENT: row(2.01, 1e-6),
        "epsilon": row(2, 0),
        "lrp-0": row(2, 1e-7),
        RANDOM: row(0, 1),
    }
    assert alike(rows) == [["gamma"], ["epsilon", "lrp-0", GRADIENT], [RANDOM]]
    assert alike({RANDOM: {"area": 0.0, "deletion": [0.0, 0.0], "insertion": [0.0, 0.0]}}) == [[RANDOM]]
