"""How modules that aren't linear treat relevance: element-wise functions, normalisations, softmax, pooling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from .ledger import Book, on_gradient

__all__ = [
    "Treatment",
    "as_it_is",
    "find_held",
    "find_maximum",
    "find_treatment",
    "hold",
    "pass_on",
    "register",
    "register_held",
    "register_maximum",
]

#: Gives, for a module and a book, the forward pass that replaces the module's own for the time of an explanation.
Treatment: TypeAlias = Callable[[nn.Module, Book], Callable[..., Any]]

_TREATMENTS: dict[type[nn.Module], Treatment] = {}
_HELD: dict[type[nn.Module], tuple[str, ...]] = {}
_MAXIMA: dict[type[nn.Module], Callable[..., Tensor]] = {}


def register(kind: type[nn.Module], treatment: Treatment) -> None:
    """Say how modules of a type, and of types derived from it, treat relevance.

    Parameters
    ----------
    kind
        Module type; the nearest registered base class counts.
    treatment
        `as_it_is`, `pass_on`, `hold`, or a function of the module and the book that returns a forward pass whose
        values are the module's own and whose backward pass carries relevance per activation.

    Examples
    --------
    >>> import torch
    >>> from fair_hep import explain, register
    >>> from fair_hep.lrp.treatments import pass_on
    >>> class Cube(torch.nn.Module):
    ...     def forward(self, values):
    ...         return values**3
    >>> register(Cube, pass_on)
    >>> found = explain(torch.nn.Sequential(Cube()).eval(), torch.tensor([[2.0]]), target=0)
    >>> found.relevance.tolist()
    [[8.0]]
    """
    _TREATMENTS[kind] = treatment


def register_held(kind: type[nn.Module], *names: str) -> None:
    """Say which methods or submodules of a type give weights that are taken as constant, such as attention.

    A module may also say so itself, by a class attribute ``held`` with their names.
    """
    _HELD[kind] = names


def register_maximum(kind: type[nn.Module], total: Callable[..., Tensor]) -> None:
    """Say how a type that takes maxima would sum instead: ``total(module, *inputs)``, of the same shape.

    By default the winner takes all of a maximum's relevance; a composite with ``maximum="proportional"`` shares it in
    proportion to the values.
    """
    _TREATMENTS[kind] = as_it_is
    _MAXIMA[kind] = total


def find_held(module: nn.Module) -> tuple[str, ...]:
    """Return the names of a module's methods and submodules that are taken as constant."""
    known = next((_HELD[kind] for kind in type(module).__mro__ if kind in _HELD), ())
    return (*known, *getattr(type(module), "held", ()))


def find_maximum(module: nn.Module) -> Callable[..., Tensor] | None:
    """Return how a module would sum what it takes the maximum of; None: it takes no maximum."""
    return next((_MAXIMA[kind] for kind in type(module).__mro__ if kind in _MAXIMA), None)


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
        result: Tensor = _Pass.apply(values, output, book)
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
    carries_relevance = True

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


def _sum_pool(average: Callable[..., Tensor], axes: int) -> Callable[..., Tensor]:
    """Return the sum over the windows of a maximum pooling: their mean, padding counted, times their size."""

    def total(module: Any, values: Tensor) -> Tensor:
        kernel = module.kernel_size if isinstance(module.kernel_size, tuple) else (module.kernel_size,) * axes
        return average(values, kernel, module.stride, module.padding) * math.prod(kernel)

    return total


_kind: type[nn.Module]
register(nn.ReLU, rectify)
for _kind in (nn.LeakyReLU, nn.PReLU, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Flatten, nn.Unflatten):
    register(_kind, as_it_is)
for _kind in (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d):
    register(_kind, as_it_is)
for _kind, _average, _axes in ((nn.MaxPool1d, functional.avg_pool1d, 1), (nn.MaxPool2d, functional.avg_pool2d, 2)):
    register_maximum(_kind, _sum_pool(_average, _axes))
for _kind in (
    nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus, nn.Softsign, nn.Tanh, nn.Sigmoid, nn.LogSigmoid,
    nn.Hardtanh, nn.ReLU6, nn.Hardswish, nn.Hardsigmoid, nn.Tanhshrink, nn.Softshrink, nn.Hardshrink, nn.RReLU,
):  # fmt: skip
    register(_kind, pass_on)
for _kind in (nn.Softmax, nn.Softmax2d):
    register(_kind, hold)
register(nn.LayerNorm, normalise)
