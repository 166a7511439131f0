"""What the model card says of MLPF: factors, measures, captions, and its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..pages.document import Table
from ..study.removal_table import removal_rows

if TYPE_CHECKING:
    from .evaluate import Row

__all__ = ["CAPTIONS", "FACTORS", "MEASURES", "comparison_table", "study_tables"]

FACTORS = (
    "The class of the particle: every figure is given by class. Classes with few elements have large errors.",
    "Momentum and pseudorapidity: efficiencies and fake rates are drawn against them; resolutions are of all together.",
    "Pile-up, and so the number of elements of an event: one level was used, and no other one was measured.",
    "The detector and its simulation: a parametrised one, with tracks and towers in the manner of Delphes' CMS card. "
    "Not varied.",
    "The process: figures are of the events of the test split; the published one holds QCD events, the training ttbar.",
)
MEASURES: Mapping[str, str] = {
    "mlpf_*": "of this network",
    "rules_*": "of rule-based particle flow on the same events",
    "*_mean_f1": "mean F1 of the classes that enough elements have: efficiency and purity at once",
    "*_efficiency_*": "share of a class's elements that get the class",
    "*_fake_rate_*": "share of those that get a class without being it",
    "*_efficiency_at_equal_fake_rate_*": "efficiency at the fake rate of the rules",
    "*_bias*, *_resolution*, *_core*": (
        "mean, standard deviation and width of the core of the differences between found and generated, relative for "
        "momenta and cut at ±10, for particles on whose class both flows agree"
    ),
    "*_jet_*": "jets clustered from all particles, matched to generated ones",
    "*_met_*": "missing transverse momentum, found minus generated, in GeV",
}
CAPTIONS: Mapping[str, str] = {
    "confusion": "Class found against true class, shares by true class, for the network and for the rules",
    "efficiencies": "Efficiency and fake rate against pT, energy and pseudorapidity, for the network and for the rules",
    "responses": "Relative difference of found and generated momenta, for the network and for the rules",
    "multiplicities": "Number of particles found in an event against the number generated",
    "events": "Missing transverse momentum and jets, for the network and for the rules",
    "rmap_*": "R-map of a class's logit: share of |R| by feature, of the element and of the others",
    "rmaps_*": "R-maps of a component of the momentum, by class",
    "r_scores": "R-scores: each feature's share of the absolute relevance, by class",
    "relevant_elements": "Number of elements that carry most of the relevance, by class",
    "removal": "Logit while the elements that it sees are removed or inserted by falling relevance, for every rule set",
    "event_*": "One event: all elements, and the share of relevance that they have for one of them",
}

_SHOWN = ("efficiency", "fake_rate", "efficiency_at_equal_fake_rate", "energy_resolution", "pt_resolution")


def comparison_table(rows: Sequence[Row]) -> Table:
    """Return the network beside the rules, class by class; `comparison.csv` has the rest."""
    cells = []
    for row in rows:
        if row.quantity in _SHOWN or row.quantity.startswith(("jet_", "met_")):
            values = (row.measures[flow] for flow in ("mlpf", "rules"))
            texts = ["" if value is None else value.text().replace("+-", "±") for value in values]
            cells.append((row.quantity.replace("_", " "), row.kind.replace("_", " "), str(row.entries), *texts))
    return Table(
        "The network and rule-based particle flow on the same events",
        ("quantity", "class", "entries", "network", "rules"),
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
                    row["stage"],
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
