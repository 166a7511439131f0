"""How modules that aren't linear treat relevance: element-wise functions, normalisations, softmax, pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from .ledger import Book, on_gradient

__all__ = ["Treatment", "as_it_is", "find_treatment", "hold", "normalise", "pass_on", "register"]

#: Gives, for a module and a book, the forward pass that replaces the module's own for the time of an explanation.
Treatment: TypeAlias = Callable[[nn.Module, Book], Callable[..., Any]]

_TREATMENTS: dict[type[nn.Module], Treatment] = {}


def register(kind: type[nn.Module], treatment: Treatment) -> None:
    """Say how modules of a type, and of types derived from it, treat relevance.

    Parameters
    ----------
    kind
        Module type; the nearest registered base class counts.
    treatment
        `as_it_is`, `pass_on`, `hold`, or a function of the module and the book that returns a forward pass whose
        values are the module's own and whose backward pass carries relevance per activation.
    """
    _TREATMENTS[kind] = treatment


def find_treatment(module: nn.Module) -> Treatment | None:
    """Return how a module is treated, or None if nobody said."""
    return next((_TREATMENTS[kind] for kind in type(module).__mro__ if kind in _TREATMENTS), None)


def as_it_is(module: nn.Module, book: Book) -> Callable[..., Any]:
    """Leave a module alone: it is linear, or piecewise linear through the origin, where the gradient is the rule."""
    return _own_forward(module)


def pass_on(module: nn.Module, book: Book) -> Callable[..., Any]:
    """Hand relevance through an element-wise function unchanged: the gradient becomes output over input."""
    forward = _own_forward(module)

    def passed(values: Tensor) -> Tensor:
        with torch.no_grad():
            output = forward(values.detach().clone() if getattr(module, "inplace", False) else values)
        result: Tensor = _Pass.apply(values, output, book)  # type: ignore[no-untyped-call]
        return result

    return passed


def hold(module: nn.Module, book: Book) -> Callable[..., Any]:
    """Take a module's output as constant, as attention weights are: relevance goes to what they weigh."""
    forward = _own_forward(module)

    def held(*inputs: Any, **options: Any) -> Any:
        with torch.no_grad():
            return forward(*inputs, **options)

    return held


def rectify(module: nn.Module, book: Book) -> Callable[..., Tensor]:
    """Apply a ReLU out of place, once: after a layer that applied it itself there is nothing left to do."""

    def rectified(values: Tensor) -> Tensor:
        return values if getattr(values, "_fair_hep_rectified", False) else functional.relu(values)

    return rectified


def normalise(module: nn.Module, book: Book) -> Callable[..., Tensor]:
    """Hold the standard deviation of a layer norm constant (Ali et al., arXiv:2202.07304); centring is linear."""
    norm: Any = module
    axes = tuple(range(-len(norm.normalized_shape), 0))

    def normalised(values: Tensor) -> Tensor:
        centred: Tensor = values - values.mean(axes, keepdim=True)
        spread = (values.detach().var(axes, unbiased=False, keepdim=True) + norm.eps).sqrt()
        output: Tensor = centred / spread
        output = output if norm.weight is None else output * norm.weight.detach()
        if norm.bias is None:
            return output
        shift = norm.bias.detach().expand_as(output)
        output = output + shift
        on_gradient(output, lambda gradient: book.take_bias("layer norm", gradient, shift))
        return output

    return normalised


def _own_forward(module: nn.Module) -> Callable[..., Any]:
    forward: Callable[..., Any] = type(module).forward.__get__(module)
    return forward


class _Pass(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, output: Tensor, book: Book) -> Tensor:
        ctx.save_for_backward(values, output)
        ctx.book = book
        return output.view_as(output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        values, output = ctx.saved_tensors
        relevance = gradient * output
        empty = values == 0
        ctx.book.take_lost(ctx.book.groups.total(relevance * empty))
        return (relevance / torch.where(empty, 1.0, values)).masked_fill_(empty, 0.0), None, None


_kind: type[nn.Module]
register(nn.ReLU, rectify)
for _kind in (nn.LeakyReLU, nn.PReLU, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Flatten, nn.Unflatten):
    register(_kind, as_it_is)
for _kind in (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d):
    register(_kind, as_it_is)
# Winner takes all: the gradient of a maximum goes to the entry that won.
for _kind in (nn.MaxPool1d, nn.MaxPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d):
    register(_kind, as_it_is)
for _kind in (
    nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus, nn.Softsign, nn.Tanh, nn.Sigmoid, nn.LogSigmoid,
    nn.Hardtanh, nn.ReLU6, nn.Hardswish, nn.Hardsigmoid, nn.Tanhshrink, nn.Softshrink, nn.Hardshrink, nn.RReLU,
):  # fmt: skip
    register(_kind, pass_on)
for _kind in (nn.Softmax, nn.Softmax2d):
    register(_kind, hold)
register(nn.LayerNorm, normalise)
