"""What tests of the shared verbs must know of MLPF."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from particle_flow.network import PRESETS, Body
from torch import nn

from fair_hep.models.contract import Model

DOI = "10.5281/zenodo.4559324"
HYPERPARAMETERS: dict[str, Any] = {"preset": "compact"}
#: Examples to evaluate, and overrides that make a whole chain short.
EVALUATED = 12
OVERRIDES = (
    "train.epochs=1", "train.limit=12", "train.batch_size=4", "evaluate.limit=6", "explain.size=2",
    "explain.options={elements: 3, trust: 4, interactive: false}",
)  # fmt: skip
#: The part of the network that is scaled up, so that random weights give answers as large as trained ones.
HEAD = "body.classify.6"
#: Rules that a graph is also written with.
COMPOSITES = ("epsilon-plus",)


def smallest(model: Model) -> nn.Module:
    """Return a network of one convolution: what it takes to write a graph by its rules."""
    network = model.build(**HYPERPARAMETERS)
    published = PRESETS[HYPERPARAMETERS["preset"]]
    small = replace(published, embed=(8,), convolutions=1, width=8, space=2, propagate=4, k=4, head=(8,))
    network.body = Body(small)
    return network.eval()
