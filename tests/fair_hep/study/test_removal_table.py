"""What is recommended, by which rule, and how it is applied: one sentence that agrees with the numbers beside it."""

from __future__ import annotations

from typing import Any

from fair_hep.study.removal_table import recommendation, removal_rows, trust_lines


def measured(**areas: float) -> dict[str, Any]:
    rows = {
        name.replace("_", "-"): {"area": area, "area_error": 0.01, "above_random": area, "above_random_error": 0.01}
        for name, area in areas.items()
    }
    return {"removal": rows, "jets": 50, "randomised": [{"correlation": 0.1}], "agreement": {}}


TABLE = measured(epsilon=0.19, epsilon_plus=0.20, random_order=0.5)


def test_rules_that_are_not_the_best_come_with_the_reason_and_the_command() -> None:
    said = recommendation({**TABLE, "recommended": "epsilon"}, "epsilon-plus")
    assert said == (
        "recommended: epsilon, the simplest rules within two errors of the largest area (epsilon-plus); "
        "to apply them: explain explain.composite=epsilon"
    )
    assert said in trust_lines({**TABLE, "recommended": "epsilon"}, "epsilon-plus")[0]


def test_only_rules_are_the_best_rules() -> None:
    """Another ranking, here a random order, may have a larger area; it is nothing that explains."""
    said = recommendation({**TABLE, "recommended": "epsilon-plus"}, "epsilon")
    assert said.startswith("recommended: epsilon-plus, which have the largest area; to apply them: ")


def test_rules_in_use_need_no_command() -> None:
    assert recommendation({**TABLE, "recommended": "epsilon"}, "epsilon").endswith("; they are applied here")


def test_the_table_of_the_card_says_the_rule_too() -> None:
    title = removal_rows({**TABLE, "recommended": "epsilon"}, "epsilon", "constituents removed").title
    assert "recommended: epsilon, the simplest rules within two errors of the largest area" in title
