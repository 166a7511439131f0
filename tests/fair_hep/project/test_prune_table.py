"""The table of a study of pruning: a line for each budget, criterion and metric."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from fair_hep.project.prune_table import write_table


def row(budget: float, criterion: str, value: float, **more: float) -> dict[str, Any]:
    return {
        "budget": budget,
        "criterion": criterion,
        "macs": budget - 0.01,
        "taken_away": {"auc": value - 0.2, "auc_error": 0.01},
        "metrics": {"auc": value, "auc_error": 0.01, **more},
        "explanations": {
            "examples": 9,
            "rank_correlation": value / 2,
            "rank_correlation_error": 0.1,
            "same_edges": [1],
        },
    }


@pytest.fixture
def table(tmp_path: Path) -> list[dict[str, str]]:
    rows = [
        row(0.1, "relevance", 0.7, rejection_30=9.0), row(0.1, "relevance", 0.5),
        row(0.5, "relevance", 0.9, rejection_30=20.0), row(0.5, "relevance", 0.8, rejection_30=10.0),
        row(0.5, "random", 0.6), row(0.5, "random", 0.6),
    ]  # fmt: skip
    before = [{"metrics": {"auc": value, "auc_error": 0.01}} for value in (0.96, 0.94)]
    write_table({"before": before, "rows": rows}, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_line_for_each_metric_the_largest_budget_first(table: list[dict[str, str]]) -> None:
    assert [(line["budget"], line["criterion"], line["metric"]) for line in table] == [
        ("0.5", "relevance", "auc"), ("0.5", "relevance", "rejection_30"), ("0.5", "relevance", "rank_correlation"),
        ("0.5", "random", "auc"), ("0.5", "random", "rank_correlation"),
        ("0.1", "relevance", "auc"), ("0.1", "relevance", "rank_correlation"),
    ]  # fmt: skip


def test_means_and_their_errors_at_each_stage(table: list[dict[str, str]]) -> None:
    first = table[0]
    assert float(first["before"]) == pytest.approx(0.95)
    assert float(first["before_error"]) == pytest.approx(0.01)
    assert float(first["taken_away"]) == pytest.approx(0.65)
    assert float(first["trained"]) == pytest.approx(0.85)
    assert float(first["trained_error"]) == pytest.approx(0.05)
    assert float(first["macs"]) == pytest.approx(0.49)
    assert first["trainings"] == "2"


def test_what_has_no_number_stays_empty(table: list[dict[str, str]]) -> None:
    rejection, correlation = table[1], table[2]
    assert (rejection["before"], rejection["taken_away"]) == ("", "")
    assert correlation["taken_away_error"] == ""
    assert float(correlation["trained"]) == pytest.approx(0.425)
