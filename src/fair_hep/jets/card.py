"""What the model card says of ParticleNet: factors, measures, captions, and its tables."""

from __future__ import annotations

from collections.abc import Mapping

from ..tagging import two_classes

__all__ = ["CAPTIONS", "FACTORS", "MEASURES"]

FACTORS = (
    "The kinematic range: anti-kT jets (R = 0.8) with pT from 550 to 650 GeV and |eta| below 2. All figures are of the "
    "whole range together; none was measured apart in pT, eta or mass.",
    "The event generator and its parton shower: one was used, and another one gives other jets. Not measured.",
    "The detector: the reference set is simulated by Delphes (ATLAS card); the project's sample and generator stop at "
    "particle level. Neither has pile-up. Not measured.",
    "What counts as a top jet: labels come from the generator (quarks of the top's decay inside the jet).",
)
MEASURES: Mapping[str, str] = {
    **two_classes.MEASURES,
    "auc": "area under the ROC curve: share of pairs of a top and a QCD jet in which the top jet has the higher score",
}
CAPTIONS: Mapping[str, str] = {
    **two_classes.CAPTIONS,
    "scores": "Distribution of the score, logit of top minus logit of QCD, for top jets and for QCD jets",
    "edges_between_subjets": "Fraction of the most relevant edges that join two subjets, trained and untrained network",
    "edges_top_*": "Most relevant edges of one top jet in every EdgeConv block, constituents coloured by subjet",
    "edges_QCD_*": "Most relevant edges of one QCD jet in every EdgeConv block, constituents coloured by subjet",
    "edge_spectra": "Distance and mass of the most relevant edges of the last block, for top jets and for QCD jets",
    "relevance_shares": "Share of the absolute relevance by feature, by rank in pT and by subjet",
    "r_scores": "R-scores: each feature's signed share of a jet's absolute relevance, by class",
    "removal": "Score while constituents are removed or inserted by falling relevance, for every set of rules",
}  # fmt: skip
