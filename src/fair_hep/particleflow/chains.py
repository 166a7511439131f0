"""Perceptrons as one forward pass found them: chains of linear maps, each with a factor for every output value.

The epsilon rule with biases absorbed, and element-wise functions that hand relevance on: both multiply what flows
backward by numbers that the forward pass fixes. So relevance flows through a perceptron as through a linear map, in
either direction: backward for a few outputs, forward for a few inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

__all__ = ["Link", "Taken", "backward", "follow", "forward", "link"]


@dataclass(frozen=True)
class Link:
    """One linear layer with the element-wise function after it.

    Parameters
    ----------
    weight, bias
        Of the layer: ``[outputs, inputs]`` and ``[outputs]``.
    factor
        Output over stabilised input of layer and function together, ``[rows, outputs]``.
    sign
        Sign of the layer's output ``[rows, outputs]``, where the stabiliser takes from; None: there is none.
    epsilon
        Stabiliser: a denominator z becomes ``z + epsilon sign(z)``.
    """

    weight: Tensor
    bias: Tensor
    factor: Tensor
    sign: Tensor | None
    epsilon: float

    def then(self, before: Tensor, after: Tensor) -> Link:
        """Return the link followed by an element-wise function that maps ``before`` to ``after``."""
        empty = before == 0
        passed = (after / torch.where(empty, 1.0, before)).masked_fill_(empty, 0.0)
        return replace(self, factor=self.factor * passed)


class Taken:
    """What biases and the stabiliser take from each of some outputs, float64 ``[outputs]``.

    Parameters
    ----------
    outputs
        How many are explained.
    """

    def __init__(self, outputs: int) -> None:
        self.bias, self.epsilon, self.size = torch.zeros(3, outputs, dtype=torch.float64).unbind()

    def take(self, link: Link, carried: Tensor, rows: Tensor | None, owner: Tensor | None) -> None:
        """Book the share of a layer.

        Parameters
        ----------
        link
            The layer.
        carried
            What flows backward at its output, its factor included: ``[n, outputs]``.
        rows
            Rows that it belongs to; None: all in order.
        owner
            Which of the explained outputs each of the n belongs to; None: all in order.
        """
        self.add("bias", carried @ link.bias, owner)
        self.add("size", carried.abs() @ link.bias.abs(), owner)
        if link.sign is not None:
            sign = link.sign if rows is None else link.sign[rows]
            self.add("epsilon", link.epsilon * (carried * sign).sum(1), owner)

    def add(self, name: str, amount: Tensor, owner: Tensor | None) -> None:
        """Add amounts ``[n]`` to an entry of their owners."""
        entry: Tensor = getattr(self, name)
        entry.add_(amount) if owner is None else entry.index_add_(0, owner, amount.double())


def link(layer: nn.Linear, output: Tensor, epsilon: float) -> Link:
    """Return a linear layer as a link, given the output that it gave."""
    weight, bias = layer.weight.detach(), layer.bias.detach()
    if epsilon == 0:
        return Link(weight, bias, torch.ones_like(output), None, epsilon)
    size = output.abs()
    return Link(weight, bias, size / (size + epsilon), output.sign(), epsilon)


def follow(layers: Iterable[nn.Module], values: Tensor, epsilon: float) -> tuple[Tensor, list[Link]]:
    """Run a perceptron; return its output and its links."""
    links: list[Link] = []
    for layer in layers:
        output: Tensor = layer(values)
        if isinstance(layer, nn.Linear):
            links.append(link(layer, output, epsilon))
        else:
            links[-1] = links[-1].then(values, output)
        values = output
    return values, links


def backward(
    links: Sequence[Link], gradient: Tensor, taken: Taken, *, rows: Tensor | None = None, owner: Tensor | None = None
) -> Tensor:
    """Carry what flows backward from the outputs ``[n, outputs]`` of a chain to its inputs ``[n, inputs]``.

    Parameters
    ----------
    links
        The chain, first layer first.
    gradient
        Relevance per activation at the outputs.
    taken
        Where biases and the stabiliser are booked.
    rows, owner
        See `Taken.take`.
    """
    for part in reversed(links):
        carried = gradient * (part.factor if rows is None else part.factor[rows])
        taken.take(part, carried, rows, owner)
        gradient = carried @ part.weight
    return gradient


def forward(links: Sequence[Link], parts: Tensor) -> Tensor:
    """Split every output of a chain into what the inputs, the biases and the stabiliser contribute.

    Parameters
    ----------
    links
        The chain, first layer first.
    parts
        Contributions to its inputs ``[rows, sources, inputs]``; the last two sources are biases and stabiliser.

    Returns
    -------
    parts
        Contributions to its outputs ``[rows, sources, outputs]``; they sum to the outputs.
    """
    for part in links:
        parts = parts @ part.weight.T
        parts[:, -2] += part.bias
        if part.sign is not None:
            parts[:, -1] += part.epsilon * part.sign
        parts *= part.factor[:, None, :]
    return parts
