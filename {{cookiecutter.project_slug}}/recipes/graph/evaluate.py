"""The working points; area, accuracy, rejections, the ROC curve and the scores come by themselves."""

from __future__ import annotations

from fair_hep.jets.observables import MASS_AND_TAU32

#: Signal efficiencies at which the rejection of the background is measured.
EFFICIENCIES = (0.3, 0.5, 0.7, 0.8, 0.9)
#: What needs no network and is measured beside it: cuts on the jet's mass and on N-subjettiness; None: nothing.
OBSERVABLES = MASS_AND_TAU32
