"""How the network is measured: beside rule-based particle flow, on the same events.

`fair_hep.particleflow.evaluation` measures every class, momentum, jet and missing momentum for both, with errors over
events, and draws them; `FACTORS` is what a reader must know of the figures.
The mean F1 of the classes decides whether a new version is worse than the last one.
"""

from __future__ import annotations

__all__ = ["FACTORS"]

#: What answers depend on, and whether that was measured apart: for the model card.
FACTORS = (
    "The class of the particle: every figure is given by class. Classes with few elements have large errors.",
    "Pseudorapidity and energy: efficiencies, fake rates and resolutions are measured in bins of them, with errors.",
    "Pile-up, and so the number of elements of an event: one level was used, and no other one was measured.",
    "The detector and its simulation: a parametrised one, with tracks and towers in the manner of Delphes' CMS card. "
    "Not varied.",
    "The process: figures are of the events of the test split; the published one holds QCD events, the training ttbar.",
)
