"""Whether channels that are taken out are just those that nobody hears any more."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..bundle.errors import ModelError
from ..lrp.edges import frozen_graphs, graphs_found
from ..nets.layers import Neighbours
from .groups import Group, Removed, silenced, without

__all__ = ["apart", "require_unheard"]

#: Largest difference in double precision that is rounding.
ROUNDING = 1e-9


def apart(body: nn.Module, features: Sequence[Any], groups: Sequence[Group], removed: Removed) -> float:
    """Return how far a network without some channels is from one whose layers don't hear them.

    Both find the same graphs, those of the smaller network: channels that go change distances between elements.

    Parameters
    ----------
    body
        Network in evaluation mode; it isn't changed.
    features
        What it takes, in its precision.
    groups, removed
        Channels, and which of them are taken out.

    Returns
    -------
    difference
        The largest of the outputs, relative to the largest output (to 1, if that is less).

    Raises
    ------
    ModelError
        If the smaller network doesn't run, or gives outputs of another shape: a layer has its channels elsewhere.
    """
    finders = {name: name for name, part in body.named_modules() if isinstance(part, Neighbours)}
    with torch.no_grad():
        try:
            small, deaf = without(body, groups, removed), silenced(body, groups, removed)
            with graphs_found(small, finders) as graphs:
                found, known = _outputs(small(*features)), dict(graphs)
        except (RuntimeError, IndexError) as error:
            raise ModelError(f"the network doesn't run: {' '.join(str(error).split())}") from error
        elements = next(iter(known.values())).shape[:2] if known else (0, 0)
        with frozen_graphs(deaf, finders, known, torch.ones(elements, dtype=torch.bool)):
            expected = _outputs(deaf(*features))
    if [one.shape for one in found] != [one.shape for one in expected]:
        raise ModelError("the outputs have another shape")
    scale = max(1.0, *(float(one.abs().max()) for one in expected))
    difference = max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True)) / scale
    return difference if difference == difference else float("inf")  # noqa: PLR0124 - NaN isn't itself


def require_unheard(body: nn.Module, features: Sequence[Any], groups: Sequence[Group], removed: Removed) -> None:
    """Refuse to take channels away that are heard elsewhere than was told; tried in double precision.

    Raises
    ------
    ModelError
        If the smaller network isn't the one whose layers don't hear them.
    """
    precise = [
        value.double() if isinstance(value, Tensor) and value.is_floating_point() else value for value in features
    ]
    try:
        gap = apart(copy.deepcopy(body).double(), precise, groups, removed)
        said = f"its outputs differ by {gap:.1e} from those of a network whose layers don't hear them"
    except ModelError as error:
        gap, said = float("inf"), str(error)
    if gap > ROUNDING:
        raise ModelError(
            f"without the channels that would go, {said}: `check` says of which layer; name it in prune.keep"
        )


def _outputs(found: Any) -> list[Tensor]:
    return [found] if isinstance(found, Tensor) else list(found)
