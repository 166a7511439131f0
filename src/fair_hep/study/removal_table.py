"""Tables of the card that say how well rankings by relevance find what matters, whatever was removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..lrp.composites import COMPOSITES
from ..pages.document import Table
from ..pages.measured import measured

__all__ = ["recommendation", "removal_rows", "trust_lines", "trust_tables"]

#: The rule by which rules are recommended (`fair_hep.lrp.faithfulness.recommend`).
_SIMPLEST = "the simplest rules within two errors of the largest area"


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
    # Networks without graphs have none to keep.
    graphs = all("frozen_area" in row for _, row in rows)
    truth = trust.get("picked", {})
    kept = ("area, graph kept",) if graphs else ()
    picks = ("truth picked (area under precision-recall)",) if truth else ()
    return Table(
        f"{what}: area between insertion and deletion (larger is better; "
        f"recommended: {trust['recommended']}, {_SIMPLEST})",
        ("ranking by", "area", "above a random order", *kept, f"rank correlation with {composite}", *picks),
        tuple(
            (
                name,
                measured(row["area"], row["area_error"], ".2f"),
                measured(row["above_random"], row["above_random_error"], "+.2f"),
                *((f"{row['frozen_area']:.2f}",) if graphs else ()),
                _signed(trust["agreement"].get(name)),
                *((_measured(truth.get(name)),) if truth else ()),
            )
            for name, row in rows
        )
        + tuple(
            (name, *("",) * (3 + graphs), _measured(row)) for name, row in truth.items() if name not in trust["removal"]
        ),
    )


def trust_tables(trust: Mapping[str, Any], composite: str, what: str) -> Iterator[Table]:
    """Give how well rankings by relevance find what matters, and what is left of them with random weights.

    Parameters
    ----------
    trust
        "jets" (how many examples were measured), what `removal_rows` needs, and "randomised".
    composite
        The composite that the study uses.
    what
        What was removed, in the plural.
    """
    yield removal_rows(trust, composite, f"{what} removed by relevance, {trust['jets']} validation jets")
    yield Table(
        "Weights made random from the output down: rank correlation with the trained network's relevances "
        "(near 0: they depend on what was learned)",
        ("random down to", "correlation"),
        tuple((row["down_to"], _signed(row["correlation"])) for row in trust["randomised"]),
    )


def trust_lines(table: Mapping[str, Any], composite: str) -> list[str]:
    """Return the same in two lines for a human."""
    rows = sorted(table["removal"].items(), key=lambda item: -item[1]["area"])
    shown = ", ".join(f"{name} {measured(row['area'], row['area_error'], '.2f')}" for name, row in rows)
    random = table["randomised"][-1]["correlation"]
    return [
        f"insertion minus deletion area on {table['jets']} validation jets: {shown}; "
        + recommendation(table, composite),
        f"{composite} on the randomised network: rank correlation "
        + ("undefined" if random is None else f"{random:+.2f}")
        + " with the trained one",
    ]


def recommendation(table: Mapping[str, Any], composite: str) -> str:
    """Return in one sentence which rules are recommended, by which rule, and the command that applies them.

    Parameters
    ----------
    table
        "removal" and "recommended" (`fair_hep.lrp.faithfulness.removal_table`).
    composite
        The composite that the study uses.

    Examples
    --------
    >>> rows = {"epsilon": {"area": 0.19}, "epsilon-plus": {"area": 0.20}, "random order": {"area": 0.0}}
    >>> print(recommendation({"removal": rows, "recommended": "epsilon"}, "epsilon"))
    recommended: epsilon, the simplest rules within two errors of the largest area (epsilon-plus); they are applied here
    """
    name = table["recommended"]
    rules = {rule: row for rule, row in table["removal"].items() if rule in COMPOSITES}
    best = max(rules, key=lambda rule: float(rules[rule]["area"]), default=name)
    why = "which have the largest area" if best == name else f"{_SIMPLEST} ({best})"
    apply = "they are applied here" if composite == name else f"to apply them: explain explain.composite={name}"
    return f"recommended: {name}, {why}; {apply}"


def _measured(row: Mapping[str, float | None] | None) -> str:
    return measured(None, None) if row is None else measured(row["area"], row["error"])


def _signed(value: float | None) -> str:
    return "undefined" if value is None else f"{value:+.2f}"
