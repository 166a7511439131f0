"""What the model card says of ParticleNet: factors, measures, captions, and its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...document import Table
from ..removal_table import removal_rows
from ..tagging import WorkingPoint

__all__ = ["CAPTIONS", "FACTORS", "MEASURES", "trust_tables", "working_point_table"]

FACTORS = (
    "The kinematic range: anti-kT jets (R = 0.8) with pT from 550 to 650 GeV and |eta| below 2. All figures are of the "
    "whole range together; none was measured apart in pT, eta or mass.",
    "The event generator and its parton shower: one was used, and another one gives other jets. Not measured.",
    "The detector: the reference set is simulated by Delphes (ATLAS card); the project's sample and generator stop at "
    "particle level. Neither has pile-up. Not measured.",
    "What counts as a top jet: labels come from the generator (quarks of the top's decay inside the jet).",
)
MEASURES: Mapping[str, str] = {
    "auc": "area under the ROC curve: share of pairs of a top and a QCD jet in which the top jet has the higher score",
    "accuracy": "share of jets whose score has the right sign",
    "rejection_*": "1 / background efficiency at the signal efficiency that the name gives in percent",
    "rejection_*_limit95": "its lower limit at 95 % confidence (Clopper-Pearson); fewer than ten background jets pass",
}
CAPTIONS: Mapping[str, str] = {
    "roc": "Background rejection against signal efficiency on the test split, with the working points",
    "scores": "Distribution of the score, logit of top minus logit of QCD, for top jets and for QCD jets",
    "edges_between_subjets": "Fraction of the most relevant edges that join two subjets, trained and untrained network",
    "edges_top_*": "Most relevant edges of one top jet in every EdgeConv block, constituents coloured by subjet",
    "edges_QCD_*": "Most relevant edges of one QCD jet in every EdgeConv block, constituents coloured by subjet",
    "edge_spectra": "Distance and mass of the most relevant edges of the last block, for top jets and for QCD jets",
    "relevance_shares": "Share of the absolute relevance by feature, by rank in pT and by subjet",
    "r_scores": "R-scores: each feature's signed share of a jet's absolute relevance, by class",
    "removal": "Score while constituents are removed or inserted by falling relevance, for every set of rules",
}  # fmt: skip


def working_point_table(points: Sequence[WorkingPoint]) -> Table:
    """Return the working points: cuts on the score, and what passes them."""
    return Table(
        "Working points on the test split",
        ("signal efficiency", "score above", "QCD jets that pass", "background efficiency", "background rejection"),
        tuple(
            (
                f"{point.signal_efficiency:.3f} ± {point.signal_error:.3f}",
                f"{point.threshold:.3f}",
                str(point.background_passed),
                f"{point.background_efficiency:.2e} ± {point.background_error:.0e}",
                point.text().replace("+-", "±"),
            )
            for point in points
        ),
    )


def trust_tables(trust: Mapping[str, Any], composite: str) -> Iterator[Table]:
    """Give how well rankings by relevance find what matters, and what is left of them with random weights."""
    yield removal_rows(trust, composite, f"Constituents removed by relevance, {trust['jets']} validation jets")
    yield Table(
        "Weights made random from the output down: rank correlation with the trained network's relevances "
        "(near 0: they depend on what was learned)",
        ("random down to", "correlation"),
        tuple((row["down_to"], _signed(row["correlation"])) for row in trust["randomised"]),
    )


def _signed(value: float | None) -> str:
    return "undefined" if value is None else f"{value:+.2f}"
