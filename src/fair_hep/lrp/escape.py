"""Watch every torch call outside the ruled modules: book constants, refuse what no rule covers, record what happened.

Moving, adding, summing and averaging activations is linear: autograd carries relevance through it as it is, and so it
does through a product with something constant. What is left (other functions, products of two activations, products
with weights) must belong to a module with a rule.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..bundle.errors import ExplainError
from .calls import CONTRACTIONS, JOINS, LINEAR, MOVES, NOTES, SCALINGS, WEIGHTED
from .ledger import Book, on_gradient
from .rules import Term, divide

__all__ = ["Call", "Record", "Watch", "refuse_functions_without_rules", "tensors_in"]


#: Questions about tensors: nothing can escape through them.
_ASIDE = NOTES - {"detach"}


@dataclass(frozen=True)
class Call:
    """One recorded call: of a ruled module, or of a function outside them."""

    name: str
    module: nn.Module | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    active: bool


@dataclass
class Record:
    """What one forward pass did, in order; tensors are named by ``id`` and kept alive so that ids stay unique."""

    calls: list[Call] = field(default_factory=list)
    keep: list[Any] = field(default_factory=list)

    def add(self, name: str, module: nn.Module | None, arguments: Any, result: Any, active: bool) -> None:
        """Note a call."""
        self.keep += [arguments, result]
        inputs, outputs = (tuple(id(t) for t in tensors_in(part)) for part in (arguments, result))
        if outputs or module is not None:
            self.calls.append(Call(name, module, inputs, outputs, active))


class Watch(TorchFunctionMode):
    """Mode under which a forward pass is watched.

    Parameters
    ----------
    book
        Where constants that join activations are booked; None while only recording.
    record
        Where calls are noted; None while explaining.
    absorb
        Whether constants take a share of relevance, as biases do.
    epsilon
        Stabiliser for the denominators that arise where constants take none.
    judges
        Whether to look at values, and refuse calls that no rule covers; not possible while an export records.
    """

    def __init__(
        self,
        book: Book | None,
        record: Record | None,
        *,
        absorb: bool = True,
        epsilon: float = 0.0,
        judges: bool = True,
    ) -> None:
        super().__init__()
        self.judges = judges
        self.book, self.record, self.absorb, self.epsilon = book, record, absorb, epsilon
        self.stack: list[tuple[str, nn.Module]] = []

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one torch call, and judge it."""
        kwargs = kwargs or {}
        name = _plain_name(func)
        if name in _ASIDE:
            return func(*args, **kwargs)
        tensors = tensors_in((args, kwargs))
        active = [tensor for tensor in tensors if tensor.requires_grad]
        if not active:
            result = func(*args, **kwargs)
            if any(_is_weight(tensor) for tensor in tensors):
                for tensor in tensors_in(result):
                    tensor._fair_hep_weight = True  # type: ignore[attr-defined]
        else:
            if self.judges:
                self._judge(name, func, args, kwargs, (tensors, active))
            result = func(*args, **kwargs)
            if name in JOINS or (name in LINEAR and len(active) < len(tensors)):
                result = self._constants(name, func, args, kwargs, result)
        if self.record is not None:
            self.record.add(name, None, (args, kwargs), args[0] if name == "setitem" else result, bool(active))
        return result

    def _judge(
        self, name: str, func: Callable[..., Any], args: Any, kwargs: Any, operands: tuple[list[Tensor], list[Tensor]]
    ) -> None:
        """Refuse a call that no rule covers."""
        tensors, active = operands
        if name in MOVES or name in JOINS or name in LINEAR or name in NOTES:
            self._judge_in_place(func, args)
            return
        if name in ("scatter_reduce", "index_reduce", "segment_reduce"):
            how = str(kwargs.get("reduce", next((value for value in args if isinstance(value, str)), "")))
            if how in ("sum", "mean", "add"):
                return
            raise self._refusal(f"{name}(reduce={how!r})", "is not linear")
        if name in WEIGHTED:
            raise self._refusal(name, "multiplies activations by weights")
        if name in CONTRACTIONS:
            if len({id(tensor) for tensor in active}) > 1:
                raise self._refusal(name, "multiplies two activations")
            if any(_is_weight(tensor) for tensor in tensors):
                raise self._refusal(name, "multiplies activations by weights")
            return
        if name in SCALINGS:
            if len(active) > 1 and _operand_count(args) > 1:
                raise self._refusal(name, "multiplies or divides two activations")
            if name in ("div", "divide", "true_divide") and isinstance(args[-1], Tensor) and args[-1].requires_grad:
                raise self._refusal(name, "divides by an activation")
            self._judge_in_place(func, args)
            return
        if name == "dropout" and not kwargs.get("training", args[2] if len(args) > 2 else True):
            return
        raise self._refusal(name, "is not linear")

    def _judge_in_place(self, func: Callable[..., Any], args: Any) -> None:
        raw = getattr(func, "__name__", "")
        if not ((raw.endswith("_") and not raw.endswith("__")) or raw == "__setitem__") or raw == "requires_grad_":
            return
        target = args[0]
        if target.requires_grad:
            raise self._refusal(raw, "changes an activation in place (write it out of place)")
        if bool((target != 0).any()):
            raise self._refusal(raw, "writes activations among constants that aren't zero")

    def _constants(self, name: str, func: Callable[..., Any], args: Any, kwargs: Any, result: Any) -> Any:
        """Book the constants that a call joins to activations: the call is affine, so they are its value at zero."""
        raw = getattr(func, "__name__", "")
        in_place = (raw.endswith("_") and not raw.endswith("__")) or raw == "__setitem__"
        if self.book is None or in_place or not isinstance(result, Tensor) or not _has_constant((args, kwargs)):
            return result
        with torch.no_grad():
            constant = func(*_silenced(args), **_silenced(kwargs))
        if self.judges and not bool((constant != 0).any()):
            return result
        layer = f"{self._where()[0] or 'the network'}: {name}"
        if not self.absorb:
            return divide(self.book, layer, result.detach(), [Term(result - constant)], self.epsilon)
        book, part = self.book, constant.expand_as(result)

        def enter(gradient: Tensor) -> None:
            book.take_bias(layer, gradient, part)

        on_gradient(result, enter)
        return result

    def _where(self) -> tuple[str, str]:
        if not self.stack:
            return "", "the network"
        name, module = self.stack[-1]
        return name, type(module).__name__

    def _refusal(self, call: str, why: str) -> ExplainError:
        name, kind = self._where()
        where = f"{name!r} ({kind})" if name else kind
        return ExplainError(f"{where}: the call {call} escapes the rules, it {why}; {_advice(call)}")


def _advice(call: str) -> str:
    """Say what to write instead of a call that no rule covers."""
    if "attention" in call:
        return (
            "write attention out: a module gives the weights and is named in the class attribute `held` of the layer "
            "that multiplies the values by them"
        )
    if "nested_tensor" in call:
        return "torch.nn.TransformerEncoder packs sets: make it with enable_nested_tensor=False"
    return (
        "make it a module with a rule (torch.nn has one for most functions; fair_hep.lrp.register adds one), or "
        "detach() what is a choice"
    )


def refuse_functions_without_rules(output: Tensor) -> None:
    """Refuse an explained output that a custom autograd function took part in: no torch call shows its insides.

    Raises
    ------
    ExplainError
        If a class of the backward graph doesn't say ``carries_relevance = True``.
    """
    seen: set[Any] = set()
    waiting: list[Any] = [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += [following for following, _ in node.next_functions]
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            kind = type(node)._forward_cls  # type: ignore[attr-defined]
            if not getattr(kind, "carries_relevance", False):
                raise ExplainError(
                    f"the autograd function {kind.__name__} escapes the rules; put it into a module with a rule "
                    "(fair_hep.lrp.register), or set carries_relevance = True in it if its backward pass is one"
                )


@functools.cache
def _plain_name(func: Callable[..., Any]) -> str:
    """Return a call's name without underscores: ``__getitem__`` is getitem, ``scatter_add_`` is scatter_add."""
    name = getattr(func, "__name__", type(func).__name__)
    if name == "__get__":
        return getattr(getattr(func, "__self__", None), "__name__", name)
    return name if name == "requires_grad_" else name.strip("_")


def tensors_in(value: Any) -> list[Tensor]:
    """Return the tensors among arguments, however nested."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, tuple | list):
        return []
    found = []
    for part in value:
        found += tensors_in(part)
    return found


def _silenced(value: Any) -> Any:
    """Return arguments with zeros in place of activations."""
    if isinstance(value, Tensor):
        return torch.zeros_like(value) if value.requires_grad else value
    if isinstance(value, tuple | list):
        return type(value)(_silenced(part) for part in value)
    if isinstance(value, dict):
        return {key: _silenced(part) for key, part in value.items()}
    return value


def _has_constant(value: Any) -> bool:
    """Say whether arguments hold a constant that can add to the result: a float tensor, or a number that isn't zero."""
    if isinstance(value, Tensor):
        return not value.requires_grad and value.is_floating_point()
    if isinstance(value, tuple | list):
        return any(_has_constant(part) for part in value)
    if isinstance(value, dict):
        return any(_has_constant(part) for part in value.values())
    return isinstance(value, int | float) and not isinstance(value, bool) and value != 0


def _operand_count(args: Any) -> int:
    return sum(isinstance(part, Tensor) and part.requires_grad for part in args)


def _is_weight(tensor: Tensor) -> bool:
    return type(tensor) is nn.Parameter or "_fair_hep_weight" in tensor.__dict__
