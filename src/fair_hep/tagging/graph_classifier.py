"""Networks of PyTorch Geometric that classify sets of particles: a `Classifier` with edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .classifier import Classifier

if TYPE_CHECKING:
    from torch import nn

    from ..study.case import Study

__all__ = ["GraphClassifier"]


class GraphClassifier(Classifier):
    """A network of PyG behind ``graphs.GraphNetwork``, which `build` returns.

    Examples
    --------
    >>> from fair_hep import GraphClassifier, class_logits
    >>> class Tagger(GraphClassifier):
    ...     name, title, outputs = "tagger", "Graph tagger of mine", (class_logits(("QCD", "top")),)
    ...
    ...     def build(self, **hyperparameters):
    ...         from fair_hep.nets.graphs import GraphNetwork
    ...         from .network import Features, Layers
    ...
    ...         return GraphNetwork(Features(), Layers(**hyperparameters), k=8)
    >>> Tagger().classes
    ('QCD', 'top')
    """

    captions: Mapping[str, str] = {
        **Classifier.captions,
        "edges_*": "Most relevant edges of one jet in every layer, of the first explained jets of each class; "
        "the area of a constituent grows with its pT, red ones speak for the last class, blue ones against it",
    }

    def edges(self, network: nn.Module) -> Mapping[str, str]:
        """Return the messages of every layer, each with the one graph that all share; the last slot is the loop."""
        body: Any = network.get_submodule("body")
        places: Mapping[str, str] = body.edges()
        return places

    def explanation(self) -> Study:
        """Explain examples, and say what their edges carry."""
        from ..study.graph_study import GraphStudy

        return GraphStudy()
