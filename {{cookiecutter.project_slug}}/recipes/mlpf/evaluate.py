"""How the network is measured: beside rule-based particle flow, on the same events.

`fair_hep.particleflow.evaluation` measures every class, momentum, jet and missing momentum for both, with errors over
events, and draws them; `HEADLINE` chooses what is told in a line, `FACTORS` is what a reader must know of the figures.
The mean F1 of the classes decides whether a new version is worse than the last one.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["FACTORS", "HEADLINE"]

#: What answers depend on, and whether that was measured apart: for the model card.
FACTORS = (
    "The class of the particle: every figure is given by class. Classes with few elements have large errors.",
    "Momentum and pseudorapidity: efficiencies and fake rates are drawn against them; resolutions are of all together.",
    "Pile-up, and so the number of elements of an event: one level was used, and no other one was measured.",
    "The detector and its simulation: a parametrised one, with tracks and towers in the manner of Delphes' CMS card. "
    "Not varied.",
    "The process: figures are of the events of the test split; the published one holds QCD events, the training ttbar.",
)
#: Quantity and class of what is told, both sides in each line.
HEADLINE: Mapping[tuple[str, str], str] = {
    ("efficiency_at_equal_fake_rate", "neutral_hadron"): "neutral hadrons: efficiency at the rules' fake rate",
    ("efficiency", "neutral_hadron"): "neutral hadrons: efficiency",
    ("fake_rate", "neutral_hadron"): "neutral hadrons: fake rate",
    ("pt_resolution", "charged_hadron"): "charged hadrons: resolution of pT",
    ("energy_resolution", "neutral_hadron"): "neutral hadrons: resolution of E",
    ("jet_pt_resolution", ""): "jets: resolution of pT",
    ("jet_efficiency", ""): "jets: share found",
    ("met_resolution_gev", ""): "missing transverse momentum: resolution in GeV",
}
