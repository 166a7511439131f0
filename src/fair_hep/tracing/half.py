"""Weights with sixteen bits: what a network's matrices round to, and a graph that stores what loses nothing by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..bundle.errors import ModelError
from ..lrp.maps import Factors
from .absorbed import absorbed, matrices, put

if TYPE_CHECKING:
    import onnx

__all__ = ["halved", "stored_half", "tensors_half"]

#: Numbers of a tensor from which on it is worth a Cast.
_WORTH = 32
_TRIES = 4


def halved(network: nn.Module, inputs: Mapping[str, Tensor]) -> nn.Module:
    """Return a copy of a network whose matrices are rounded to float16; it computes in float32.

    Biases and what norms add stay as they are: they are few, and rounding them is an error that nothing averages.

    Raises
    ------
    ModelError
        If a weight is too large for float16.
    """
    made = absorbed(network, inputs)
    # A map that keeps its matrices as sums loses digits of the smaller one: what is left is rounded once more.
    for _ in range(_TRIES):
        rounded = {layer: _rounded(factors) for layer, factors in matrices(made, inputs).items()}
        changed = {layer: factors for layer, (factors, differs) in rounded.items() if differs}
        if not changed:
            break
        for layer, factors in changed.items():
            put(layer, factors)
    return made


def _rounded(factors: Factors) -> tuple[Factors, bool]:
    """Return matrices in float16, and whether that changed anything."""
    rounded = tuple(factor.half().float() for factor in factors)
    if not all(bool(torch.isfinite(factor).all()) for factor in rounded):
        largest = max(float(factor.abs().max()) for factor in factors)
        raise ModelError(f"export.precision=float16: a weight of {largest:.3g} is beyond float16; take float32")
    return rounded, any(not torch.equal(one, other) for one, other in zip(factors, rounded, strict=True))


def tensors_half(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a network, in float16 where that loses nothing."""
    return {name: value.half() if _exact(value) else value for name, value in tensors.items()}


def _exact(value: Tensor) -> bool:
    return (
        value.dtype == torch.float32 and value.numel() >= _WORTH and bool((value.half().float() == value).all().item())
    )


def stored_half(proto: onnx.ModelProto) -> int:
    """Store the constants of a graph in float16 where that loses nothing, each with a Cast; return how many.

    The graph computes in float32, and ONNX Runtime casts once, when it opens the graph.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph: Any = proto.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if values.size < _WORTH or not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], name=f"{name}_cast", to=TensorProto.FLOAT))
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *rest])
    return len(casts)
