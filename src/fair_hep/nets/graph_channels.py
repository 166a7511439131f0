"""Where the layers of PyTorch Geometric have their channels.

`fair_hep.nets.channels` imports this where torch_geometric is imported already. Layers of that library that have no
weights of their own (APPNP, EdgeConv, GINConv, LGConv, SimpleConv) need nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch_geometric.nn import conv
from torch_geometric.nn.dense.linear import Linear

from .layouts import Layout

__all__ = ["LAYOUTS"]

_SIZES = ("in_channels", "out_channels")
#: Weights of attention look at the channels of their head: one that goes is gone from what they look at as well.
_ATT, _ATTS = {"att": 2}, {"att_src": 2, "att_dst": 2, "att_edge": 2}


def _joined(layer: Any) -> int:
    """Return how many heads are joined; a mean over heads has the channels of one."""
    return int(layer.heads) if layer.concat else 1


def _attention(parts: tuple[str, ...], hears: Mapping[str, int]) -> Layout:
    outputs = {**hears, "bias": 0, "lin_edge.weight": 0}
    return Layout(_SIZES, outputs, parts=(*parts, "res"), heads=_joined, hears=hears)


LAYOUTS: Mapping[type[nn.Module], Layout] = {
    Linear: Layout(_SIZES, {"weight": 0, "bias": 0}, {"weight": 1}),
    conv.ChebConv: Layout(_SIZES, {"bias": 0}, parts=("lins",)),
    conv.ClusterGCNConv: Layout(_SIZES, parts=("lin_out", "lin_root")),
    conv.GATConv: _attention(("lin",), _ATTS),
    conv.GATv2Conv: _attention(("lin_l", "lin_r"), _ATT),
    conv.GCNConv: Layout(_SIZES, {"bias": 0}, parts=("lin",)),
    conv.GraphConv: Layout(_SIZES, parts=("lin_rel", "lin_root")),
    conv.LEConv: Layout(_SIZES, parts=("lin1", "lin2", "lin3")),
    conv.MixHopConv: Layout(_SIZES, {"bias": 0}, parts=("lins",), heads=lambda layer: len(layer.powers)),
    conv.SAGEConv: Layout(_SIZES, parts=("lin_l", "lin_r"), fits=lambda layer: not layer.project),
    conv.SGConv: Layout(_SIZES, parts=("lin",)),
    conv.SSGConv: Layout(_SIZES, parts=("lin",)),
    conv.TAGConv: Layout(_SIZES, {"bias": 0}, parts=("lins",)),
}
