"""What goes into the network and what comes out, with names and units, as batch, graph, signature and card say it."""

from __future__ import annotations

from fair_hep import class_label, class_logits, element_features, particle_set

TITLE = "Deep Sets tagger"
SUMMARY = "Tags boosted top jets among QCD jets from the four-momenta of a jet's constituents, in any order."

#: With two classes the first is the background; with more, the last is explained against the others.
CLASSES = ("QCD", "top")
#: What comes in, for each constituent: raw values, in GeV.
COMPONENTS = ("E", "px", "py", "pz")
#: What the network computes of them first, and learns from: relevance lives here. Lowest and highest value of each.
FEATURES = {
    "delta_eta": (-1.0, 1.0),
    "delta_phi": (-1.0, 1.0),
    "log_pt": (-5.0, 5.0),
    "log_pt_fraction": (-5.0, 5.0),
}

CITATION = {
    "title": "Energy flow networks: deep sets for particle jets",
    "authors": "Patrick T. Komiske, Eric M. Metodiev and Jesse Thaler",
    "doi": "10.1007/JHEP01(2019)121",
    "arxiv": "1810.05165",
}
LIMITS = ("Made for anti-kT jets (R = 0.8) with pT from 550 to 650 GeV and |eta| below 2.",)
FACTORS = (
    "The kinematic range: the headline's figures are of the whole range together.",
    "Generator and detector: the sample is Pythia 8 and a parametrised ATLAS detector, without pile-up. Not measured.",
)

INPUTS = (particle_set(columns=COMPONENTS),)
OUTPUTS = (class_logits(CLASSES),)
TARGETS = (class_label(CLASSES),)
ELEMENT_FEATURES = element_features(tuple(FEATURES), tuple(FEATURES.values()))
