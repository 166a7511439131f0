"""What is explained when channels are judged: every class and every other output, each for itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ..models.contract import Model

__all__ = ["wanted"]

#: An output of this name has a column for each class.
LOGITS = "logits"


def wanted(model: Model, outputs: Any, context: Sequence[Any] = ()) -> Iterator[tuple[str, Tensor]]:
    """Give by name the weights of every combination of outputs that counts.

    Of classes it is the logit of a class over the mean of the others, for the examples (of sets: the elements) that are
    taken for it. Of everything else it is a column, for all.

    Parameters
    ----------
    model
        Its `Model.outputs` name the columns.
    outputs
        What the body gave: a tensor, or several, ``[examples, columns]`` or ``[examples, elements, columns]``.
    context
        What the body takes beside the features: a mask of the real elements is among it, if there are elements.

    Yields
    ------
    name, weights
        In the shape of the outputs, joined along the last axis. What no example is taken for is left out.
    """
    parts = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    total, start = sum(part.shape[-1] for part in parts), 0
    real = _real(parts[0], context)
    for spec, part in zip(model.outputs, parts, strict=True):
        size = part.shape[-1]
        classes = spec.name == LOGITS and size > 1
        taken = part.argmax(-1)
        for column in range(size):
            chosen = real & (taken == column) if classes else real
            if not bool(chosen.any()):
                continue
            weights = part.new_zeros(*part.shape[:-1], total)
            if classes:
                weights[..., start : start + size] = -1.0 / (size - 1)
            weights[..., start + column] = 1.0
            name = spec.columns[column] if column < len(spec.columns) else str(column)
            yield f"{spec.name}: {name}", torch.where(chosen[..., None], weights, 0.0)
        start += size


def _real(output: Tensor, context: Sequence[Any]) -> Tensor:
    """Return which examples or elements exist."""
    shape = output.shape[:-1]
    masks = [value for value in context if isinstance(value, Tensor) and value.dtype == torch.bool]
    fitting = [mask for mask in masks if mask.shape == shape]
    return fitting[0] if fitting else torch.ones(shape, dtype=torch.bool, device=output.device)
