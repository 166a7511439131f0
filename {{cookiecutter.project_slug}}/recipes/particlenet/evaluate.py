"""What the evaluation measures: area, accuracy and rejections are usual; here are working points, and what differs."""

from __future__ import annotations

__all__ = ["CAPTIONS", "EFFICIENCIES", "MEASURES"]

#: Signal efficiencies of the working points.
EFFICIENCIES = (0.3, 0.5, 0.7, 0.8, 0.9)
#: What metrics are, where the usual words say less, for the model card.
MEASURES = {
    "auc": "area under the ROC curve: share of pairs of a top and a QCD jet in which the top jet has the higher score",
}
#: What figures show, likewise, by file name without suffix.
CAPTIONS = {
    "scores": "Distribution of the score, logit of top minus logit of QCD, for top jets and for QCD jets",
}
