"""A network whose batch norms change nothing but a shift: what they scaled stands in the linear maps beside them.

So the matrices that a network has are those that its graph multiplies with, and rounding the ones rounds the others.
Outputs are the same up to rounding, names and shapes of all tensors stay.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..bundle.errors import ExplainError
from ..lrp import Explainer
from ..lrp.canonize import Fold, Plan
from ..lrp.maps import Factors, scale_and_shift
from ..nets.layers import EdgeLinear

__all__ = ["absorbed", "matrices", "put"]


def _put_linear(layer: Any, factors: Factors) -> None:
    layer.weight.copy_(factors[0])


def _put_edge(layer: Any, factors: Factors) -> None:
    own, other = factors
    layer.weight.copy_(torch.cat([own + other, other], 1))


#: Layers whose matrices can be put back, by kind.
_PUT: dict[type[nn.Module], Callable[[Any, Factors], None]] = {nn.Linear: _put_linear, EdgeLinear: _put_edge}


def put(layer: nn.Module, factors: Factors) -> None:
    """Give a layer other matrices, those that multiply activations."""
    with torch.no_grad():
        _PUT[type(layer)](layer, factors)


def matrices(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[nn.Module, Factors]:
    """Return the linear maps of a network's body that can be changed, each with the matrices that its graph has.

    Parameters
    ----------
    network
        In evaluation mode; it isn't changed.
    inputs
        A real batch.
    """
    plan = _plan(network, inputs)
    return {} if plan is None else {m: layer.factors for m, layer in plan.layers.items() if type(m) in _PUT}


def absorbed(network: nn.Module, inputs: Mapping[str, Tensor]) -> nn.Module:
    """Return a copy of a network whose batch norms scale nothing, as far as the maps beside them can be changed.

    Parameters
    ----------
    network
        In evaluation mode. One that can't be explained is copied as it is: nobody knows what its calls mean.
    inputs
        A real batch.
    """
    made = copy.deepcopy(network)
    plan = _plan(made, inputs)
    with torch.no_grad():
        for norm, fold in (plan.folded if plan else {}).items():
            scale, shift = scale_and_shift(norm)
            known = all(type(layer) in _PUT for layer in fold.layers)
            if known and not (fold.before and bool((scale == 0).any())):
                _absorb(norm, fold, scale, shift)
    return made


def _plan(network: nn.Module, inputs: Mapping[str, Tensor]) -> Plan | None:
    parts: Any = network
    with torch.no_grad():
        values = parts.features(**inputs)
    try:
        with Explainer(parts.body) as explainer:
            return explainer.study(*(values if isinstance(values, tuple) else (values,)))
    except ExplainError:
        return None


def _absorb(norm: nn.Module, fold: Fold, scale: Tensor, shift: Tensor) -> None:
    """Move the scale of a norm into its layers, and leave it the shift."""
    if fold.before:
        for layer in fold.layers:
            _scale(layer, scale, inputs=True)
        _only_shifts(norm, shift / scale)
        return
    sizes = [_outputs(layer) for layer in fold.layers]
    for layer, part in zip(fold.layers, torch.split(scale, sizes), strict=True):
        _scale(layer, part, inputs=False)
    _only_shifts(norm, shift)


def _outputs(layer: Any) -> int:
    return int(layer.weight.shape[0])


def _scale(layer: Any, scale: Tensor, *, inputs: bool) -> None:
    if inputs:
        layer.weight.mul_(scale.repeat(layer.weight.shape[1] // len(scale)))
        return
    layer.weight.mul_(scale[:, None])
    if layer.bias is not None:
        layer.bias.mul_(scale)


def _only_shifts(norm: Any, shift: Tensor) -> None:
    """Make a norm add a shift and scale by exactly 1."""
    norm.running_mean.copy_(-shift)
    norm.running_var.fill_(_unit(norm.eps, norm.running_var.dtype))
    if norm.weight is not None:
        norm.weight.fill_(1.0)
        norm.bias.zero_()


def _unit(eps: float, dtype: torch.dtype) -> float:
    """Return the variance that a norm divides by 1 at: 1 - eps, or a neighbour where that rounds."""
    start = torch.tensor(1.0 - eps, dtype=dtype)
    down, up = (torch.nextafter(start, start.new_tensor(to)) for to in (0.0, 2.0))
    near: Sequence[Tensor] = [start, down, up]
    return float(next((value for value in near if float(torch.rsqrt(value + eps)) == 1.0), start))
