"""How the network is explained: which output, along which edges, and with which rules.

The rules are chosen in a configuration, by ``explain.composite``; null: `Model.composite`, epsilon by default.
Attention is held constant, so relevance flows along the values that it weighs, never into the weights. The study draws
the most relevant edges of some jets and says how much relevance crosses between constituents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def target() -> Sequence[float]:
    """Explain z_top - z_QCD: a single logit is defined only up to a common shift."""
    return (-1.0, 1.0)


def edges(network: nn.Module) -> Mapping[str, str]:
    """Return the messages of every layer of PyG, each with the one graph that all layers share."""
    body: Any = network.get_submodule("body")
    places: Mapping[str, str] = body.edges()
    return places
