"""What a network costs: the multiplications of its matrix products, and its parameters."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from ..bundle.inputs import cut

if TYPE_CHECKING:
    import numpy as np

    from ..bundle import TensorSpec

__all__ = ["Cost", "cost_of", "mean_cost"]


class Cost(NamedTuple):
    """What a network costs.

    Parameters
    ----------
    macs
        Multiply-adds of all matrix products for one example, in the mean over those tried.
    parameters
        Numbers that were learned.
    """

    macs: float
    parameters: int


def cost_of(network: nn.Module, inputs: Mapping[str, Tensor]) -> Cost:
    """Count what a network costs, by torch's own counter.

    Sums, comparisons and the search for neighbours in few dimensions aren't matrix products, and count nothing: what a
    network really takes is measured, not counted (`benchmarks/`).

    Parameters
    ----------
    network
        Network in evaluation mode.
    inputs
        Raw inputs of some examples by name; padding counts as well, so examples of like size are best.
    """
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    # Torch's counter hooks every tensor that wants a gradient, and stumbles over parameters that are given to a module.
    constant = copy.deepcopy(network).requires_grad_(False)
    with torch.no_grad(), counter:
        constant(**inputs)
    examples = len(next(iter(inputs.values())))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(counter.get_total_flops() / 2 / examples, parameters)


def mean_cost(network: nn.Module, inputs: Sequence[TensorSpec], arrays: Mapping[str, np.ndarray]) -> Cost:
    """Count what a network costs for stored examples, each without its padding, in the mean.

    Parameters
    ----------
    network
        Network in evaluation mode.
    inputs
        What it takes.
    arrays
        Examples by name, padded.
    """
    count = len(next(iter(arrays.values())))
    given = [spec for spec in inputs if spec.name in arrays]
    costs = []
    for number in range(count):
        one = {spec.name: torch.from_numpy(cut(spec, arrays[spec.name][number])[None]) for spec in given}
        costs.append(cost_of(network, one))
    return Cost(sum(cost.macs for cost in costs) / count, costs[0].parameters)
