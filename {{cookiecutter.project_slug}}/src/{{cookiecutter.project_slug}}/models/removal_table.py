"""The table of the card that says how well rankings by relevance find what matters, whatever was removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..document import Table

__all__ = ["removal_rows"]


def removal_rows(trust: Mapping[str, Any], composite: str, what: str) -> Table:
    """Return the rankings, the best one first.

    Parameters
    ----------
    trust
        "removal", "recommended" (`explain.trust.removal_table`) and "agreement", correlations with the composite.
    composite
        The composite that the study uses.
    what
        What was removed, from how many examples.
    """
    rows = sorted(trust["removal"].items(), key=lambda item: -item[1]["area"])
    return Table(
        f"{what}: area between insertion and deletion (larger is better; recommended: {trust['recommended']})",
        ("ranking by", "area", "above a random order", "area, graph kept", f"rank correlation with {composite}"),
        tuple(
            (
                name,
                f"{row['area']:.2f} ± {row['area_error']:.2f}",
                f"{row['above_random']:+.2f} ± {row['above_random_error']:.2f}",
                f"{row['frozen_area']:.2f}",
                _signed(trust["agreement"].get(name)),
            )
            for name, row in rows
        ),
    )


def _signed(value: float | None) -> str:
    return "undefined" if value is None else f"{value:+.2f}"
