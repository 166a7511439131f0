"""Tables of the model card: the network beside the rules, and what the study found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..pages.document import Table
from ..study.removal_table import removal_rows
from .comparison import FLOWS
from .comparison_rows import ERRORS, Row
from .labels import stage_label

__all__ = ["comparison_table", "study_tables"]

_SHOWN = ("efficiency", "fake_rate", "efficiency_at_equal_fake_rate", "energy_resolution", "pt_resolution")


def comparison_table(rows: Sequence[Row]) -> Table:
    """Return the network beside the rules, class by class; `comparison.csv` has the rest."""
    cells = []
    for row in rows:
        if row.quantity in _SHOWN or row.quantity.startswith(("jet_", "met_")):
            values = (row.measures[flow] for flow in FLOWS)
            texts = ["" if value is None else value.text().replace("+-", "±") for value in values]
            where = row.where.label if row.where else ""
            named = (row.quantity.replace("_", " "), row.kind.replace("_", " "), where, str(row.entries))
            cells.append((*named, *texts, "yes" if row.worse() else ""))
    cells.sort(key=lambda cell: cell[-1] == "")  # stable: what is worse comes first
    return Table(
        "The network and rule-based particle flow on the same events; what is worse than the rules comes first",
        ("quantity", "class", "where", "entries", "network", "rules", f"worse by more than {ERRORS:g} errors"),
        tuple(cells),
    )


def study_tables(found: Mapping[str, Any]) -> Iterator[Table]:
    """Give how much of an answer comes from other elements, and what is left of relevances with random weights."""
    classes = {kind: cell["correct"] for kind, cell in found["outputs"]["class"].items() if cell["correct"]["elements"]}
    yield Table(
        "Where the relevance of a class's logit lies, elements that were classified correctly",
        ("class", "elements", "share of other elements", f"elements that carry {found['relevant_share']:.0%}"),
        tuple(
            (
                kind.replace("_", " "),
                str(cell["elements"]),
                _with_error(cell["neighbours_share"], 3),
                _with_error(cell["relevant_elements"], 1),
            )
            for kind, cell in classes.items()
        ),
    )
    trust = found["trust"]
    if "removal" in trust:
        what = f"Elements that a class's logit sees removed by relevance, {trust['elements']} validation elements"
        yield removal_rows(trust, found["explained"]["composite"], what)
    if trust.get("randomised"):
        yield Table(
            "Weights made random from the output down: rank correlation with the trained network's relevances "
            "(near 0: they depend on what was learned)",
            ("random down to", "correlation", "elements"),
            tuple(
                (
                    stage_label(row["stage"]),
                    "undefined" if row["correlation"] is None else _signed(row),
                    str(row["elements"]),
                )
                for row in trust["randomised"]
            ),
        )


def _with_error(value: Mapping[str, Any], digits: int) -> str:
    error = value.get("error")
    return f"{value['mean']:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def _signed(row: Mapping[str, Any]) -> str:
    return f"{row['correlation']:+.2f}" + ("" if row["error"] is None else f" ± {row['error']:.2f}")
