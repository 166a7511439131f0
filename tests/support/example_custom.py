"""What tests of the shared verbs must know of the example of a network of one's own."""

from __future__ import annotations

from typing import Any

from torch import nn

from fair_hep.models.contract import Model

DOI = "10.5281/zenodo.6619768"
HYPERPARAMETERS: dict[str, Any] = {"width": 16}
#: Examples to evaluate, and overrides that make a whole chain short.
EVALUATED = 200
OVERRIDES = (
    "train.epochs=2", "train.limit=256", "train.batch_size=32", "evaluate.limit=300", "explain.size=12",
    "explain.options={trust: 8}",
)  # fmt: skip
#: The part of the network that is scaled up, so that random weights give answers as large as trained ones.
HEAD = "body.jet.4"
#: Rules that a graph is also written with.
COMPOSITES = ("epsilon-gamma-box",)


def smallest(model: Model) -> nn.Module:
    """Return a narrow network: what it takes to write a graph by its rules."""
    return model.build(**HYPERPARAMETERS).eval()
