"""Curves of removal: as many as can be told apart, and never without those that others are measured by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from fair_hep.lrp.faithfulness import GRADIENT, RANDOM
from fair_hep.study.removal_figure import alike, chosen_curves, draw_removal, panel_rows


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


def curves(height: float, samples: int = 3) -> dict[str, Any]:
    return {
        "samples": samples,
        "area": height,
        "area_error": 0.1,
        "deletion": [height, 0.0],
        "insertion": [0.0, height],
    }


def test_classes_are_apart_as_long_as_they_can_be_shown(tmp_path: Path) -> None:
    def table(count: int) -> dict[str, Any]:
        return {
            name: {
                **curves(0.1),
                "classes": {f"class{number}": curves(shift * (-1) ** number) for number in range(count)},
            }
            for name, shift in (("epsilon", 2.0), (RANDOM, 1.0))
        }

    rows = panel_rows(table(2))
    assert list(rows) == ["class0 (3)", "class1 (3)"]
    assert rows["class1 (3)"]["epsilon"]["deletion"] == [-2.0, 0.0]
    assert list(panel_rows(table(4))) == list(panel_rows(table(1))) == [""]
    sizes = []
    for count in (1, 2):
        path = tmp_path / f"{count}.png"
        draw_removal(
            {"removal": table(count), "recommended": "epsilon"}, path, explained="z", examples="6 jets of validation"
        )
        sizes.append(Image.open(path).size)
    assert sizes[1][0] == sizes[0][0] and sizes[1][1] > sizes[0][1]
