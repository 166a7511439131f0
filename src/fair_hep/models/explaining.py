"""What is explained, and by which rules: what a configuration leaves open, the recipe says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..provenance.configuration import ExplainConfig, ExplainRules

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ..bundle import Relevance
    from ..lrp import Explainer
    from .contract import Model

__all__ = ["explainer_of", "rules_of"]


def rules_of(model: Model, asked: ExplainConfig) -> ExplainRules:
    """Return the settings of explanations with nothing left open.

    Parameters
    ----------
    model
        Its `Model.composite` and `Model.target` count where ``explain.composite`` and ``explain.target`` are null.
    asked
        ``explain`` of a configuration.
    """
    composite = model.composite if asked.composite is None else asked.composite
    target = list(model.target()) if asked.target is None else asked.target
    return ExplainRules(**{**asked.model_dump(), "composite": composite, "target": target})


def explainer_of(
    model: Model,
    network: nn.Module,
    rules: ExplainRules | Relevance,
    *,
    dtype: torch.dtype | None = None,
    edges: bool | Sequence[str] = True,
) -> Explainer:
    """Return the engine for the body of a network, which sums over channels at every place that has edges.

    Parameters
    ----------
    model, network
        What is explained; the network is in evaluation mode.
    rules
        Composite, biases and epsilon: those of a configuration, or of a bundle.
    dtype
        Precision of the network; None: single.
    edges
        Whether relevances of edges are wanted: at the places that the model names, or at these.
    """
    from ..lrp import Explainer
    from ..lrp.composites import bounds
    from ..lrp.edges import edge_sums

    known: Any = bounds(model.features.ranges)
    named = model.edges(network) if edges is True else edges or ()
    return Explainer(
        network.get_submodule("body"),
        rules.composite,
        bias="exclude" if rules.bias == "exclude" else "absorb",
        epsilon=rules.epsilon,
        places=dict.fromkeys(named, edge_sums),
        bounds=known if known is None or dtype is None else (known[0].to(dtype), known[1].to(dtype)),
    )
