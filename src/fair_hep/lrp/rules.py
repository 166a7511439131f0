"""What a linear layer does with relevance: one class per rule.

A rule splits a layer's output into terms. A term is a path along which autograd carries relevance back to the layer's
input, with the denominator that the relevance is divided by. Relevance is always ``activation * gradient``; `divide`
turns the incoming gradient into the one that each path carries on, and books what biases, the stabiliser and empty
denominators take.

References: Bach et al., PLoS ONE 10 (2015) e0130140 (0, epsilon, alpha-beta); Montavon et al., Pattern Recognition 65
(2017) 211 (z-plus, w-square, z-box); Montavon et al., LNCS 11700 (2019) 193 (gamma); Lapuschkin et al., Nat. Commun.
10 (2019) 1096 (flat); Andéol et al., arXiv:2105.12013 (gamma for both signs).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.fx.experimental.proxy_tensor import get_proxy_mode

from ..bundle.errors import ExplainError
from .ledger import Book
from .maps import Affine, Factors

__all__ = [
    "AlphaBeta",
    "Box",
    "Epsilon",
    "Flat",
    "Gamma",
    "InputRule",
    "Rule",
    "Term",
    "WSquare",
    "ZPlus",
    "Zero",
    "divide",
]


@dataclass(frozen=True)
class Term:
    """One way that relevance takes through a layer.

    Parameters
    ----------
    path
        Tensor of the output's shape, linear in the layer's input; autograd carries relevance along it.
    bias
        The part of the denominator that biases are, ``[outputs]`` or of the output's shape; None: there is none.
    denominator
        What the relevance is divided by; None: the path's own values.
    share
        Part of the output's relevance that takes this way; the shares of a rule add up to 1.
    sure
        Whether the denominator is above 0 wherever the output is, and the output nowhere below: nothing can be lost.
    """

    path: Tensor
    bias: Tensor | None = None
    denominator: Tensor | None = None
    share: float = 1.0
    sure: bool = False


@dataclass(frozen=True)
class Rule(ABC):
    """How a linear layer shares relevance among its inputs; ``epsilon`` stabilises every denominator."""

    epsilon: float = 1e-6

    @abstractmethod
    def terms(self, layer: Affine, values: Tensor, *context: Any) -> tuple[Tensor, list[Term]]:
        """Return the layer's output and the terms that its relevance is split into."""

    def __call__(self, book: Book, layer: Affine, values: Tensor, *context: Any) -> Tensor:
        """Return the layer's output such that the backward pass follows the rule."""
        output, terms = self.terms(layer, values, *context)
        output = output.detach()
        return divide(book, layer.name, output.relu_() if layer.rectified else output, terms, self.epsilon)


@dataclass(frozen=True)
class Epsilon(Rule):
    """Every input gets its share of the output, ``x w / z``; the stabiliser takes from weak outputs.

    At epsilon 0, and with activations that are piecewise linear through the origin, this is gradient x input.
    """

    def terms(self, layer: Affine, values: Tensor, *context: Any) -> tuple[Tensor, list[Term]]:
        """One term: the output itself, without its bias if biases are excluded."""
        if layer.absorb or layer.bias is None:
            output = layer(values, *context)
            return output, [Term(output, _spread(layer, layer.bias, output))]
        path = layer.call(layer.factors, None, values, *context)
        return path + layer.spread(layer.bias, path), [Term(path)]

    def __call__(self, book: Book, layer: Affine, values: Tensor, *context: Any) -> Tensor:
        """Return the output; where the bias absorbs, output and path are one tensor, and nothing is copied."""
        if not layer.absorb and layer.bias is not None:
            return super().__call__(book, layer, values, *context)
        result: Tensor = _Share.apply(layer(values, *context), book, layer, self.epsilon)
        return result


@dataclass(frozen=True)
class Zero(Epsilon):
    """The epsilon rule without a stabiliser: LRP-0."""

    epsilon: float = 0.0


@dataclass(frozen=True)
class Gamma(Rule):
    """Contributions of the output's own sign count ``1 + gamma`` times; for inputs and outputs of both signs."""

    gamma: float = 0.25

    def terms(self, layer: Affine, values: Tensor, *context: Any) -> tuple[Tensor, list[Term]]:
        """One term: ``z + gamma z+`` where the output is positive, ``z + gamma z-`` where it is negative."""
        if _is_positive(layer, values):
            # Below zero the ReLU stops everything, so the branch for negative outputs is never read.
            factors = tuple(w + self.gamma * p for w, p in zip(layer.factors, layer.positive, strict=True))
            bias = None if layer.bias is None else layer.bias + self.gamma * layer.bias.clamp(min=0)
            return _plain(layer, values, *context), [_sure(layer, factors, bias, values, *context)]
        (plus, plus_bias), (minus, minus_bias) = _signed(layer, values, *context)
        output = _output(layer, plus, minus)
        up = output.detach() > 0
        path = plus + minus + self.gamma * torch.where(up, plus, minus)
        if plus_bias is None or minus_bias is None:
            return output, [Term(path)]
        bias = plus_bias + minus_bias + self.gamma * torch.where(up, plus_bias, minus_bias)
        return output, [Term(path, bias)]


@dataclass(frozen=True)
class AlphaBeta(Rule):
    """Positive contributions share ``alpha`` of the relevance, negative ones ``-beta``; ``alpha - beta = 1``."""

    alpha: float = 2.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        """Refuse shares that don't conserve."""
        if self.alpha < 1 or self.beta < 0 or abs(self.alpha - self.beta - 1) > 1e-12:
            raise ExplainError(
                f"alpha-beta rule: got alpha {self.alpha}, beta {self.beta}; expected alpha - beta = 1, beta >= 0"
            )

    def terms(self, layer: Affine, values: Tensor, *context: Any) -> tuple[Tensor, list[Term]]:
        """Two terms: positive and negative contributions, each divided by its own sum."""
        if self.beta == 0 and _is_positive(layer, values):
            bias = None if layer.bias is None else layer.bias.clamp(min=0)
            return _plain(layer, values, *context), [_sure(layer, layer.positive, bias, values, *context)]
        (plus, plus_bias), (minus, minus_bias) = _signed(layer, values, *context)
        terms = [Term(plus, plus_bias, share=self.alpha)]
        if self.beta:
            terms.append(Term(minus, minus_bias, share=-self.beta))
        return _output(layer, plus, minus), terms


@dataclass(frozen=True)
class ZPlus(AlphaBeta):
    """Only positive contributions count: alpha 1, beta 0."""

    alpha: float = 1.0
    beta: float = 0.0


@dataclass(frozen=True)
class InputRule(Rule):
    """A rule for the first layer only: what it gives an input isn't proportional to that input's value.

    Its backward pass carries relevance itself, not relevance per activation.
    """


@dataclass(frozen=True)
class WSquare(InputRule):
    """Every input gets relevance in proportion to the squared weight, whatever its value."""

    def terms(self, layer: Affine, values: Tensor, *context: Any) -> tuple[Tensor, list[Term]]:
        """One term: the squared weights, divided by their sum."""
        return _valueless(layer, tuple(factor.square() for factor in layer.factors), values, *context)


@dataclass(frozen=True)
class Flat(InputRule):
    """Every input gets the same share."""

    def terms(self, layer: Affine, values: Tensor, *context: Any) -> tuple[Tensor, list[Term]]:
        """One term: ones in place of weights, divided by their number."""
        return _valueless(layer, tuple(torch.ones_like(factor) for factor in layer.factors), values, *context)


@dataclass(frozen=True)
class Box(InputRule):
    """The z-box rule: contributions are measured from the lowest (or highest) value that an input can have.

    Parameters
    ----------
    low, high
        Bounds, scalars or ``[inputs]``, with ``low <= 0 <= high`` and every input between them.
    """

    low: Tensor | float = -1.0
    high: Tensor | float = 1.0

    def terms(self, layer: Affine, values: Tensor, *context: Any) -> tuple[Tensor, list[Term]]:
        """One term: ``x w - low w+ - high w-``; its gradient is relevance, so each part is scaled by its own value."""
        with torch.no_grad():
            output = layer(values, *context)
        fixed = values.detach()
        low, high = _bound(self.low, fixed, layer), _bound(self.high, fixed, layer)
        parts = [(layer.factors, fixed), (layer.positive, -low), (layer.negative, -high)]
        path = sum(layer.call(factors, None, values * weight, *context) for factors, weight in parts)
        with torch.no_grad():
            denominator = sum(layer.call(factors, None, weight, *context) for factors, weight in parts)
        assert isinstance(path, Tensor) and isinstance(denominator, Tensor)
        return output, [Term(path, denominator=denominator)]


def divide(book: Book, name: str, output: Tensor, terms: Sequence[Term], epsilon: float) -> Tensor:
    """Return ``output`` such that the backward pass shares its relevance among the terms.

    Parameters
    ----------
    book
        Where the ledger's entries go.
    name
        Layer that they are booked under.
    output
        The layer's output, detached.
    terms
        Where its relevance goes.
    epsilon
        Stabiliser: a denominator d becomes ``d + epsilon sign(d)``, with sign(0) = +1.
    """
    result: Tensor = _Divide.apply(output, book, (name, epsilon), terms, *(term.path for term in terms))
    return result


class _Divide(torch.autograd.Function):
    carries_relevance = True

    @staticmethod
    def forward(ctx: Any, output: Tensor, book: Book, key: tuple[str, float], terms: Any, *paths: Tensor) -> Tensor:
        ctx.book, (ctx.name, ctx.epsilon) = book, key
        # Detached: a term that kept its path would keep the whole graph alive through this node.
        ctx.terms = [replace(t, path=None, denominator=_whole(t)) for t in terms]
        ctx.save_for_backward(output)
        return output.view_as(output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        (output,) = ctx.saved_tensors
        book, gradients = ctx.book, []
        for term in ctx.terms:
            if term.sure and ctx.epsilon:
                carried = term.denominator + ctx.epsilon
                torch.div(output, carried, out=carried).mul_(gradient)
                book.take_epsilon(ctx.epsilon * book.groups.total(carried))
            else:
                carried = _divided(book, gradient * output * term.share, term.denominator, ctx.epsilon)
            if term.bias is not None:
                take = book.take_channels if term.bias.ndim == 1 else book.take_bias
                take(ctx.name, carried, term.bias)
            gradients.append(carried)
        return None, None, None, None, *gradients


def _divided(book: Book, relevance: Tensor, whole: Tensor, epsilon: float) -> Tensor:
    """Divide relevance, book what the stabiliser takes, and what is lost where there is nothing to divide by."""
    empty = whole == 0
    carried = (relevance / torch.where(empty, 1.0, _stabilised(whole, epsilon))).masked_fill_(empty, 0.0)
    book.take_lost(book.groups.total(relevance * empty))
    book.take_epsilon(book.groups.total((relevance - carried * whole).masked_fill_(empty, 0.0)))
    return carried


def _whole(term: Term) -> Tensor:
    return term.path.detach() if term.denominator is None else term.denominator


class _Share(torch.autograd.Function):
    """The epsilon rule where output and path are one tensor: two passes over memory less than `_Divide`."""

    carries_relevance = True

    @staticmethod
    def forward(ctx: Any, output: Tensor, book: Book, layer: Affine, epsilon: float) -> Tensor:
        ctx.book, ctx.layer, ctx.epsilon = book, layer, epsilon
        if layer.rectified:
            # In place, as a linear map's backward pass doesn't read its output; and behind autograd's back, as it
            # would copy an output that is a view. A map that does read its output fails on the version counter.
            output.detach().relu_()
        ctx.save_for_backward(output)
        return output.view_as(output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        (output,) = ctx.saved_tensors
        book, layer, epsilon = ctx.book, ctx.layer, ctx.epsilon
        if epsilon == 0:
            # torch's own backward pass of a ReLU: one pass over memory.
            carried = torch.ops.aten.threshold_backward(gradient, output, 0) if layer.rectified else gradient
        else:
            size = output if layer.rectified else output.abs()
            carried = size + epsilon
            torch.div(size, carried, out=carried).mul_(gradient)
        # The stabiliser takes c z eps / (|z| + eps), which is eps sign(z) times what is carried on.
        all_of_it = epsilon if layer.rectified else 0.0
        book.take_channels(layer.name, carried, layer.bias, axis=layer.axis, epsilon=all_of_it)
        if epsilon and not layer.rectified:
            book.take_epsilon(book.groups.dot(carried, output.sign()) * epsilon)
        return carried, None, None, None


def _stabilised(values: Tensor, epsilon: float) -> Tensor:
    return values + torch.where(values >= 0, epsilon, -epsilon) if epsilon else values


def _spread(layer: Affine, bias: Tensor | None, like: Tensor) -> Tensor | None:
    return None if bias is None else layer.spread(bias, like)


def _has_negative(values: Tensor) -> bool:
    if getattr(values, "_fair_hep_rectified", False):
        return False
    # A recorded graph must hold for any values.
    return get_proxy_mode() is not None or bool(values.detach().amin() < 0)


def _is_positive(layer: Affine, values: Tensor) -> bool:
    """Say whether neither inputs nor (after its ReLU) outputs of a layer are ever negative."""
    return layer.rectified and layer.absorb and not _has_negative(values)


def _plain(layer: Affine, values: Tensor, *context: Any) -> Tensor:
    with torch.no_grad():
        return layer(values, *context)


def _sure(layer: Affine, factors: Factors, bias: Tensor | None, values: Tensor, *context: Any) -> Term:
    """Return the term of weights that are nowhere below the layer's own: its sum is no smaller than the output."""
    path = layer.call(factors, bias, values, *context)
    return Term(path, _spread(layer, bias, path), sure=True)


def _signed(
    layer: Affine, values: Tensor, *context: Any
) -> tuple[tuple[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]:
    """Return the sums of positive and of negative contributions, each with the part that is bias."""
    bias = layer.shared_bias
    above, below = (None, None) if bias is None else (bias.clamp(min=0), bias.clamp(max=0))
    mixed = _has_negative(values)
    upper = values.clamp(min=0) if mixed else values
    plus = layer.call(layer.positive, above, upper, *context)
    minus = layer.call(layer.negative, below, upper, *context)
    if mixed:
        lower = values.clamp(max=0)
        plus = plus + layer.call(layer.negative, None, lower, *context)
        minus = minus + layer.call(layer.positive, None, lower, *context)
    return (plus, _spread(layer, above, plus)), (minus, _spread(layer, below, minus))


def _output(layer: Affine, plus: Tensor, minus: Tensor) -> Tensor:
    output = (plus + minus).detach()
    return output if layer.absorb or layer.bias is None else output + layer.spread(layer.bias, output)


def _valueless(layer: Affine, factors: Factors, values: Tensor, *context: Any) -> tuple[Tensor, list[Term]]:
    with torch.no_grad():
        output = layer(values, *context)
        denominator = layer.call(factors, None, torch.ones_like(values), *context)
    return output, [Term(layer.call(factors, None, values, *context), denominator=denominator)]


def _bound(bound: Tensor | float, like: Tensor, layer: Affine) -> Tensor:
    tensor = torch.as_tensor(bound, dtype=like.dtype, device=like.device)
    return (layer.spread(tensor, like) if tensor.ndim else tensor).expand_as(like)
