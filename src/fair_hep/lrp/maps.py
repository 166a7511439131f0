"""Layers that are linear in their input, as the rules see them: factors, bias, and the map itself.

A rule that looks at signs or squares needs the weights in the form in which they multiply activations. `Affine` holds
that form. A module type gets one through `register_linear`, or by offering ``folded()`` and ``map(factors, bias,
*inputs)`` itself (`Linear`), as the edge map of an EdgeConv does: its published weights act on ``[x_i, x_j - x_i]``,
its folded factors on ``x_i`` and ``x_j``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..bundle.errors import ExplainError

__all__ = ["Affine", "Factors", "Linear", "find_affine", "is_batch_norm", "register_linear", "scale_and_shift"]

Factors: TypeAlias = tuple[Tensor, ...]


@runtime_checkable
class Linear(Protocol):
    """A module that is linear in its first input and says how; `register_linear` does it for other types."""

    bias: Tensor | None

    def folded(self) -> Factors:
        """Return the matrices ``[outputs, inputs]`` that multiply activations."""

    def map(self, factors: Factors, bias: Tensor | None, *inputs: Any) -> Tensor:
        """Map the inputs with other factors and another bias than the module's own."""


@dataclass(frozen=True)
class Affine:
    """One linear layer: ``call(factors, bias, x, *context)``, linear in ``factors`` and in ``x``.

    Parameters
    ----------
    name
        Name of the module.
    factors
        Matrices that multiply activations; the first axis is the output's channel, the second the input's.
    bias
        Added to every output ``[outputs]``, or None.
    call
        The map.
    axis
        Axis of the channels in input and output: -1, or 1 for convolutions.
    pointwise
        Whether each output entry sees one input entry of every channel (then an affine map before it can be folded in).
    diagonal
        Whether each channel sees itself only.
    rectified
        Whether nothing but a ReLU reads the output; then the layer applies it itself.
    absorb
        Whether the bias takes its share of relevance.
    """

    name: str
    factors: Factors
    bias: Tensor | None
    call: Callable[..., Tensor]
    axis: int = -1
    pointwise: bool = True
    diagonal: bool = False
    rectified: bool = False
    absorb: bool = True

    def __call__(self, *inputs: Any) -> Tensor:
        """Compute the layer's output, before any ReLU."""
        return self.call(self.factors, self.bias, *inputs)

    @cached_property
    def positive(self) -> Factors:
        """The positive parts of the factors."""
        return tuple(factor.clamp(min=0) for factor in self.factors)

    @cached_property
    def negative(self) -> Factors:
        """The negative parts of the factors."""
        return tuple(factor.clamp(max=0) for factor in self.factors)

    @property
    def shared_bias(self) -> Tensor | None:
        """The bias if it takes a share of relevance."""
        return self.bias if self.absorb else None

    def spread(self, bias: Tensor, like: Tensor) -> Tensor:
        """View a bias ``[outputs]`` so that it broadcasts against an output."""
        return bias.reshape(-1, *(1 for _ in range(like.ndim - 2))) if self.axis == 1 and like.ndim > 2 else bias

    def after(self, scale: Tensor, shift: Tensor) -> Affine:
        """Return the layer followed by ``y * scale + shift`` as one layer."""
        factors = tuple(factor * scale.reshape(-1, *(1 for _ in factor.shape[1:])) for factor in self.factors)
        return replace(self, factors=factors, bias=shift if self.bias is None else self.bias * scale + shift)

    def before(self, scale: Tensor, shift: Tensor) -> Affine:
        """Return the layer preceded by ``x * scale + shift`` as one layer."""
        ends = [factor.reshape(*factor.shape[:2]) @ shift for factor in self.factors]
        bias = torch.stack(ends).sum(0) if self.bias is None else torch.stack([self.bias, *ends]).sum(0)
        factors = tuple(factor * scale.reshape(-1, *(1 for _ in factor.shape[2:])) for factor in self.factors)
        return replace(self, factors=factors, bias=bias)


Adapter: TypeAlias = Callable[[nn.Module], Affine]
_ADAPTERS: dict[type[nn.Module], Adapter] = {}


def register_linear(kind: type[nn.Module], adapter: Adapter) -> None:
    """Say how modules of a type, and of types derived from it, map linearly.

    Parameters
    ----------
    kind
        Module type.
    adapter
        Gives the `Affine` of a module; its name is filled in later.

    Examples
    --------
    >>> import torch
    >>> from fair_hep import explain, register_linear
    >>> from fair_hep.lrp import Affine
    >>> class Turned(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.matrix = torch.nn.Parameter(torch.tensor([[1.0], [4.0]]))
    ...
    ...     def forward(self, values):
    ...         return values @ self.matrix
    >>> register_linear(Turned, lambda module: Affine("", (module.matrix.T,), None, lambda f, _, x: x @ f[0].T))
    >>> found = explain(Turned().eval(), torch.tensor([[2.0, 1.0]]), target=0)
    >>> [round(value, 4) for value in found.relevance[0].tolist()]
    [2.0, 4.0]
    """
    _ADAPTERS[kind] = adapter


def find_affine(module: nn.Module, name: str) -> Affine | None:
    """Return a module's linear map with detached factors, or None if it isn't known to be linear."""
    adapter = next((_ADAPTERS[kind] for kind in type(module).__mro__ if kind in _ADAPTERS), None)
    if adapter is None:
        if not isinstance(module, Linear):
            return None
        adapter = _self_described
    affine = adapter(module)
    bias = None if affine.bias is None else affine.bias.detach()
    return replace(affine, name=name, factors=tuple(factor.detach() for factor in affine.factors), bias=bias)


def is_batch_norm(module: nn.Module) -> bool:
    """Say whether a module normalises with stored statistics."""
    return isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) and module.running_var is not None


def scale_and_shift(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Return a batch norm in evaluation mode as ``x * scale + shift``, each ``[channels]``."""
    values: Any = norm
    scale = torch.rsqrt(values.running_var.detach() + values.eps)
    if values.weight is None:
        return scale, -values.running_mean.detach() * scale
    scale = scale * values.weight.detach()
    return scale, values.bias.detach() - values.running_mean.detach() * scale


def _self_described(module: nn.Module) -> Affine:
    return Affine("", module.folded(), module.bias, module.map)  # type: ignore[operator, arg-type]


def _dense(module: nn.Module) -> Affine:
    def call(factors: Factors, bias: Tensor | None, values: Tensor) -> Tensor:
        return functional.linear(values, factors[0], bias)

    return Affine("", (module.weight,), module.bias, call)  # type: ignore[arg-type]


def _convolution(function: Callable[..., Tensor]) -> Adapter:
    def adapter(module: nn.Module) -> Affine:
        if module.padding_mode != "zeros":
            raise ExplainError(
                f"convolution with padding_mode {module.padding_mode!r}: expected 'zeros'; pad before it, with a module"
            )

        def call(factors: Factors, bias: Tensor | None, values: Tensor) -> Tensor:
            return function(values, factors[0], bias, module.stride, module.padding, module.dilation, module.groups)

        single = all(size == 1 for size in module.kernel_size) and module.groups == 1  # type: ignore[union-attr]
        unpadded = not any(module.padding) if isinstance(module.padding, tuple) else module.padding == "valid"
        return Affine("", (module.weight,), module.bias, call, axis=1, pointwise=single and unpadded)  # type: ignore[arg-type]

    return adapter


def _normalisation(module: nn.Module) -> Affine:
    """Return a batch norm that stands alone: each channel scaled and shifted."""
    axis = getattr(module, "channel_axis", 1)
    scale, shift = scale_and_shift(module)

    def call(factors: Factors, bias: Tensor | None, values: Tensor, *_: Any) -> Tensor:
        shape = (-1, *(1 for _ in range(values.ndim - 2))) if axis == 1 else (-1,)
        scaled = values * factors[0].reshape(shape)
        return scaled if bias is None else scaled + bias.reshape(shape)

    return Affine("", (scale,), shift, call, axis=axis, pointwise=False, diagonal=True)


register_linear(nn.Linear, _dense)
register_linear(nn.Conv1d, _convolution(functional.conv1d))
register_linear(nn.Conv2d, _convolution(functional.conv2d))
register_linear(nn.Conv3d, _convolution(functional.conv3d))
for _kind in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
    register_linear(_kind, _normalisation)
