"""What tests of the shared verbs must know of ParticleNet."""

from __future__ import annotations

from typing import Any

from top_tagger.network import Body
from torch import nn

from fair_hep.models.contract import Model

DOI = "10.5281/zenodo.2603256"
HYPERPARAMETERS: dict[str, Any] = {"preset": "lite"}
#: Examples to evaluate, and overrides that make a whole chain short.
EVALUATED = 200
OVERRIDES = ("train.epochs=2", "train.limit=256", "train.batch_size=32", "evaluate.limit=300", "explain.size=12")
#: The part of the network that is scaled up, so that random weights give answers as large as trained ones.
HEAD = "body.classify"
#: Rules that a graph is also written with.
COMPOSITES = ("epsilon-plus", "epsilon-gamma-box+proportional")


def smallest(model: Model) -> nn.Module:
    """Return a network of one block: what it takes to write a graph by its rules."""
    network = model.build(**HYPERPARAMETERS)
    network.body = Body(((3, (8, 8)),), 8)
    return network.eval()
