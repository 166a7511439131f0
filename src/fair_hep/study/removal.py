"""What is left of an output if only some elements are kept: ways to remove the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ..lrp.edges import frozen_graphs, graphs_found

if TYPE_CHECKING:
    from torch import Tensor, nn

    #: Gives what is explained ``[examples]``, if only some elements are kept ``[examples, elements]``.
    Score: TypeAlias = Callable[[Tensor], Tensor]

__all__ = ["by_mask", "from_inputs"]


def from_inputs(network: nn.Module, inputs: Mapping[str, Tensor], weights: Tensor) -> Score:
    """Take elements out of the raw inputs: what is relative to the whole set is computed anew from what is left.

    Parameters
    ----------
    network
        Network in evaluation mode.
    inputs
        Raw inputs by name; the first is the set ``[examples, elements, columns]``, a row of zeros is padding.
    weights
        Of the explained combination of outputs.
    """
    import torch

    name, *others = inputs

    def score(kept: Tensor) -> Tensor:
        with torch.no_grad():
            values = torch.where(kept[..., None], inputs[name], 0.0)
            return network(**{name: values}, **{other: inputs[other] for other in others}) @ weights

    return score


def by_mask(
    network: nn.Module, inputs: Mapping[str, Tensor], weights: Tensor, places: Mapping[str, str]
) -> tuple[Score, Score | None]:
    """Take elements out by the mask, the last of what ``features`` returns: features stay those of the whole set.

    Parameters
    ----------
    network
        Network in evaluation mode, with ``features`` and ``body`` as the contract says.
    inputs, weights
        As of `from_inputs`.
    places
        Places with edges and the modules that find their graphs (`Model.edges`).

    Returns
    -------
    score, frozen
        With the graphs that the network finds among the elements that are left; with the graphs of the whole sets, less
        the elements that were removed (None for a network without edges).
    """
    import torch

    parts: Any = network
    body = parts.body
    with torch.no_grad():
        *values, mask = parts.features(**inputs)

    def score(kept: Tensor) -> Tensor:
        with torch.no_grad():
            return body(*values, kept) @ weights

    if not places:
        return score, None
    with torch.no_grad(), graphs_found(body, places) as graphs:
        body(*values, mask)

    def frozen(kept: Tensor) -> Tensor:
        with torch.no_grad(), frozen_graphs(body, places, graphs, kept):
            return body(*values, kept) @ weights

    return score, frozen
