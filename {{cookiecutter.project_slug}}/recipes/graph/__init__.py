"""A graph attention network of PyTorch Geometric that tags jets: an example for any network of that library.

``network.py`` is what one writes with PyG anyway; ``inputs.py`` says what goes in and out, ``data.py`` finds the
examples, ``train.py`` has the loss, ``evaluate.py`` measures and ``explain.py`` says what is explained, and how.
`GraphClassifier` does the rest, and any method of it can be replaced here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fair_hep import GraphClassifier, validate

from . import data, evaluate, explain, train
from . import inputs as says

if TYPE_CHECKING:
    from torch import nn

__all__ = ["MODEL", "GraphModel"]


class GraphModel(GraphClassifier):
    """What the six files say."""

    name = "graph"
    contract_version = 1
    title, summary, citation = says.TITLE, says.SUMMARY, says.CITATION
    limits, factors = says.LIMITS, says.FACTORS
    inputs, outputs, targets, features = says.INPUTS, says.OUTPUTS, says.TARGETS, says.NODE_FEATURES
    columns, globs = data.COLUMNS, data.GLOBS
    efficiencies, observables = evaluate.EFFICIENCIES, evaluate.OBSERVABLES

    loss = staticmethod(train.loss)
    target = staticmethod(explain.target)
    edges = staticmethod(explain.edges)

    def build(self, **hyperparameters: Any) -> nn.Module:
        """Build the network on the nearest neighbours in (delta eta, delta phi); PyTorch is needed only now."""
        from fair_hep.nets.graphs import GraphNetwork

        from .network import Features, Hyperparameters, Network

        chosen = validate(Hyperparameters, hyperparameters, "model")
        network = Network(len(says.FEATURES), len(says.CLASSES), chosen)
        return GraphNetwork(Features(), network, chosen.neighbours)


MODEL = GraphModel()
