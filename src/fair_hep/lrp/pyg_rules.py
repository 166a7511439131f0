"""Rules for the layers of PyTorch Geometric, registered when this module is imported.

The engine imports it where torch_geometric is imported already; nothing else here needs that library.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GATConv, GATv2Conv, GravNetConv
from torch_geometric.nn.aggr import MaxAggregation
from torch_geometric.nn.dense.linear import Linear

from .maps import Affine, Factors, register_linear
from .treatments import register_held, register_maximum

__all__: list[str] = []


def _linear(module: nn.Module) -> Affine:
    def call(factors: Factors, bias: Tensor | None, values: Tensor) -> Tensor:
        return functional.linear(values, factors[0], bias)

    layer: Any = module
    return Affine("", (layer.weight,), layer.bias, call)


def _sum_instead(module: Any, values: Tensor, index: Tensor, *context: Any, **options: Any) -> Tensor:
    names = ("ptr", "dim_size", "dim")
    known = {**dict(zip(names, context, strict=False)), **options}
    total: Tensor = module.reduce(
        values, index, known.get("ptr"), known.get("dim_size"), known.get("dim", -2), reduce="sum"
    )
    return total


register_linear(Linear, _linear)
register_maximum(MaxAggregation, _sum_instead)
# Attention, and weights that fall with distance, say where to look; what is looked at carries the relevance.
register_held(GATConv, "edge_updater")
register_held(GATv2Conv, "edge_updater")
register_held(GravNetConv, "lin_s")
