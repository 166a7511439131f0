"""A graph attention network of PyTorch Geometric that tags jets: an example for any network of that library.

``network.py`` is what a user of PyG writes; `GraphClassifier` does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fair_hep.bundle.strict import validate
from fair_hep.data.columns import Columns
from fair_hep.models.specs import class_label, class_logits, element_features, particle_set
from fair_hep.tagging.graph_classifier import GraphClassifier

if TYPE_CHECKING:
    from torch import nn

__all__ = ["MODEL", "GraphModel"]

CLASSES = ("QCD", "top")


class GraphModel(GraphClassifier):
    """Top jets against QCD jets, from the four-momenta of the constituents and a graph of the nearest ones."""

    name = "graph"
    title = "Graph attention tagger"
    summary = "Tags boosted top jets among QCD jets by attention along the edges of a graph of their constituents."
    inputs = (particle_set(),)
    outputs = (class_logits(CLASSES),)
    targets = (class_label(CLASSES),)
    features = element_features(
        ("delta_eta", "delta_phi", "log_pt", "log_energy", "log_pt_fraction"), ((-1.0, 1.0),) * 2 + ((-5.0, 5.0),) * 3
    )
    #: Names of the columns in the files; here those of JetClass.
    columns = Columns(
        elements={"E": "part_energy", "px": "part_px", "py": "part_py", "pz": "part_pz"},
        label={"QCD": "label_QCD", "top": "label_Tbqq"},
    )
    citation: Mapping[str, str] = {
        "title": "How attentive are graph attention networks?",
        "authors": "Shaked Brody, Uri Alon and Eran Yahav",
        "doi": "10.48550/arXiv.2105.14491",
        "arxiv": "2105.14491",
    }
    limits = ("Made for anti-kT jets (R = 0.8) with pT from 550 to 650 GeV and |eta| below 2.",)
    factors = (
        "The kinematic range: all figures are of the whole range together; none was measured apart in pT, eta or mass.",
        "The event generator and the detector: the sample is Pythia 8 at particle level without pile-up. Not measured.",
    )

    def build(self, **hyperparameters: Any) -> nn.Module:
        """Build the network of ``network.py`` on the nearest neighbours in (delta eta, delta phi)."""
        from fair_hep.nets.graphs import GraphNetwork

        from .network import Features, Hyperparameters, Network

        chosen = validate(Hyperparameters, hyperparameters, "model")
        network = Network(len(self.features.columns), len(self.classes), chosen)
        return GraphNetwork(Features(), network, chosen.neighbours)


MODEL = GraphModel()
