"""Interactive parts behind a temperature."""

from __future__ import annotations

import pytest

from fair_hep.pages.interactive import Widget

DATA = {"threshold": [-2.0, 0.0, 3.0], "signal": [0.9, 0.5, 0.1]}


@pytest.mark.parametrize("temperature", [0.5, 1.6])
def test_scores_are_those_that_the_graphs_give(temperature: float) -> None:
    part = Widget("Cut", "Move it.", DATA, "f", logits=("threshold",))
    found = part.divided(temperature)
    assert found.data["threshold"] == pytest.approx([value / temperature for value in DATA["threshold"]], rel=1e-4)
    assert found.data["signal"] == DATA["signal"] and f"{temperature:g}" in found.text
    assert part.data == DATA and part.divided(1.0) is part


def test_what_cannot_be_divided_says_so_and_the_rest_stays() -> None:
    shown = Widget("Jets", "Look.", DATA, "f", logits=()).divided(2.0)
    assert shown.data == DATA and "the graphs divide both by 2" in shown.text
    untouched = Widget("Events", "Look.", DATA, "f")
    assert untouched.divided(2.0) is untouched
