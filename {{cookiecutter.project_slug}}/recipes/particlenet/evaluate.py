"""What the evaluation measures: area, accuracy and rejections are usual; here are working points, and what differs."""

from __future__ import annotations

from fair_hep.jets.observables import MASS_AND_TAU32

__all__ = ["CAPTIONS", "EFFICIENCIES", "MEASURES", "OBSERVABLES"]

#: Signal efficiencies of the working points.
EFFICIENCIES = (0.3, 0.5, 0.7, 0.8, 0.9)
#: What needs no network and is measured beside it: cuts on the jet's mass and on N-subjettiness; None: nothing.
OBSERVABLES = MASS_AND_TAU32
#: What metrics are, where the usual words say less, for the model card.
MEASURES = {
    "auc": "area under the ROC curve: share of pairs of a top and a QCD jet in which the top jet has the higher score",
}
#: What figures show, likewise, by file name without suffix.
CAPTIONS = {
    "scores": "Distribution of the score, logit of top minus logit of QCD, for top jets and for QCD jets",
}
