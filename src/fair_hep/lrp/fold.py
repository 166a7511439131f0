"""Run a network with its batch norms folded into their linear neighbours: the same numbers, fewer layers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from .attach import replace
from .engine import Explainer

__all__ = ["folded"]


@contextlib.contextmanager
def folded(module: nn.Module, inputs: Sequence[Any]) -> Iterator[None]:
    """Fold the batch norms of a network for a while, exactly as an explanation does.

    Parameters
    ----------
    module
        Network in evaluation mode.
    inputs
        A real batch: what stands where is read off it.

    Raises
    ------
    ExplainError
        If the network can't be explained: then nobody knows what its calls mean.
    """
    with Explainer(module) as explainer, contextlib.ExitStack() as stack:
        plan = explainer.study(*inputs)
        # Without batch norms nothing changes, and weights keep their names.
        if plan.folded:
            for part, layer in plan.layers.items():
                replace(stack, part, "forward", layer)
            for norm in plan.folded:
                replace(stack, norm, "forward", lambda values, *_: values)
        yield
