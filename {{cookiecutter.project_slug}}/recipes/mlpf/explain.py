"""How the network is explained: whose relevance, by which rules, and how the study names what it draws.

The network has edges in the messages of its GravNet layers, but relevance is told of elements: a map for every output,
over all elements that it sees. `fair_hep.particleflow.rmaps` makes all maps of an event together, after Mokhtar et al.,
arXiv:2111.12840: graph and weights of the neighbours are held constant, biases take their share, and what hits a linear
layer is shared out by the epsilon rule. Other rules would need one backward pass for each of the thousands of outputs;
the study compares them on a few elements.
"""

from __future__ import annotations

from collections.abc import Mapping

from fair_hep.particleflow.columns import CLASSES, MOMENTA

__all__ = ["LABELS", "TARGET", "TRUTH"]

#: Explained by default, in the graph that is published: "a particle" against "none", summed over the elements; momenta
#: have no part in it. The study explains each class and each component of the momentum by itself.
TARGET = (-1.0, *(1.0 / (len(CLASSES) - 1),) * (len(CLASSES) - 1), *(0.0,) * len(MOMENTA))
#: Features that come from generator truth: the study tells what they carry.
TRUTH = ("is_gen_muon", "is_gen_electron")
#: Features of a track | of a tower, with the units of what they are made from: for figures, and for pages.
LABELS: Mapping[str, tuple[str, str]] = {
    "type": ("track | tower", "track | tower"),
    "pt_or_et": (r"$p_T$ | $E_T$ [GeV]", "pT | ET [GeV]"),
    "eta": (r"$\eta$", "η"),
    "sin_phi": (r"$\sin\phi$", "sin φ"),
    "cos_phi": (r"$\cos\phi$", "cos φ"),
    "p_or_energy": (r"$p$ | $E$ [GeV]", "p | E [GeV]"),
    "eta_outer_or_ecal": (r"$\eta_{out}$ | $E_{ECAL}$ [GeV]", "η outer | E ECAL [GeV]"),
    "sin_phi_outer_or_hcal": (r"$\sin\phi_{out}$ | $E_{HCAL}$ [GeV]", "sin φ outer | E HCAL [GeV]"),
    "cos_phi_outer": (r"$\cos\phi_{out}$", "cos φ outer"),
    "charge": ("charge [e]", "charge [e]"),
    "is_gen_muon": ("is gen. muon", "is gen. muon"),
    "is_gen_electron": ("is gen. electron", "is gen. electron"),
}
