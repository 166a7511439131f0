"""What goes into the network and what comes out, with names and units, as batch, graph, signature and card say it."""

from __future__ import annotations

from fair_hep import TensorSpec, class_label, class_logits, element_features, particle_set

TITLE = "ParticleNet"
SUMMARY = "Tags boosted top jets among QCD jets from the four-momenta of a jet's constituents."

#: Background and signal.
CLASSES = ("QCD", "top")
#: The features are clipped here, all but the two angles.
CLIP = 5.0
#: What the network computes first, and learns from: relevance lives here. Lowest and highest value of each; a jet has a
#: radius of 0.8.
FEATURES = {
    "delta_eta": (-1.0, 1.0),
    "delta_phi": (-1.0, 1.0),
    "log_pt": (-CLIP, CLIP),
    "log_energy": (-CLIP, CLIP),
    "log_pt_fraction": (-CLIP, CLIP),
    "log_energy_fraction": (-CLIP, CLIP),
    "delta_r": (-CLIP, CLIP),
}

CITATION = {
    "title": "Jet tagging via particle clouds",
    "authors": "Huilin Qu and Loukas Gouskos",
    "doi": "10.1103/PhysRevD.101.056019",
    "arxiv": "1902.08570",
}
LIMITS = ("Made for anti-kT jets (R = 0.8) with pT from 550 to 650 GeV and |eta| below 2.",)
FACTORS = (
    "The kinematic range: anti-kT jets (R = 0.8) with pT from 550 to 650 GeV and |eta| below 2. The headline's "
    "figures are of the whole range together.",
    "The event generator and its parton shower: one was used, and another one gives other jets. Not measured.",
    "The detector: the reference set is simulated by Delphes (ATLAS card), the project's sample and generator by a "
    "parametrised detector with the numbers of that card. Neither has pile-up. Not measured.",
    "What counts as a top jet: labels come from the generator (quarks of the top's decay inside the jet).",
)

INPUTS = (
    particle_set(),
    TensorSpec(
        name="axis",
        axes=("jets", "component"),
        dynamic=("jets",),
        sizes={"component": 4},
        dtype="float32",
        meaning="four-momentum of the jet; by default the sum of the constituents given",
        columns=("E", "px", "py", "pz"),
        unit="GeV",
        optional=True,
    ),
)
OUTPUTS = (class_logits(CLASSES),)
TARGETS = (class_label(CLASSES),)
ELEMENT_FEATURES = element_features(tuple(FEATURES), tuple(FEATURES.values()))
