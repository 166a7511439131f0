"""The working points; area, accuracy, rejections, the ROC curve and the scores come by themselves."""

from __future__ import annotations

#: Signal efficiencies at which the rejection of the background is measured.
EFFICIENCIES = (0.3, 0.5, 0.7, 0.8, 0.9)
