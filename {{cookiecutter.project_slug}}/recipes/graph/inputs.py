"""What goes into the network and what comes out, with names and units, and what a user must be warned of."""

from __future__ import annotations

from fair_hep import class_label, class_logits, element_features, particle_set

TITLE = "Graph attention tagger"
SUMMARY = "Tags boosted top jets among QCD jets by attention along the edges of a graph of their constituents."

#: The first is the background.
CLASSES = ("QCD", "top")
#: What the network computes of a constituent's four-momentum, and learns from. Lowest and highest value of each.
FEATURES = {
    "delta_eta": (-1.0, 1.0),
    "delta_phi": (-1.0, 1.0),
    "log_pt": (-5.0, 5.0),
    "log_energy": (-5.0, 5.0),
    "log_pt_fraction": (-5.0, 5.0),
}
INPUTS = (particle_set(columns=("E", "px", "py", "pz")),)
OUTPUTS = (class_logits(CLASSES),)
TARGETS = (class_label(CLASSES),)
NODE_FEATURES = element_features(tuple(FEATURES), tuple(FEATURES.values()))

CITATION = {
    "title": "How attentive are graph attention networks?",
    "authors": "Shaked Brody, Uri Alon and Eran Yahav",
    "doi": "10.48550/arXiv.2105.14491",
    "arxiv": "2105.14491",
}
LIMITS = ("Made for anti-kT jets (R = 0.8) with pT from 550 to 650 GeV and |eta| below 2.",)
FACTORS = (
    "The kinematic range: the headline's figures are of the whole range together.",
    "Generator and detector: the sample is Pythia 8 and a parametrised ATLAS detector, without pile-up. Not measured.",
)
