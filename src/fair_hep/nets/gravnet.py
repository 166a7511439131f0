"""GravNet: a graph convolution whose graph lives in a small learned space (Qasim et al., arXiv:1902.07987)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..bundle.errors import ModelError
from .layers import Neighbours, Place, Rows

__all__ = ["STEEPNESS", "GravNet"]

#: Weights fall with the distance d in the learned space as exp(-10 d^2), as in the published layer.
STEEPNESS = 10.0


class GravNet(nn.Module):
    """Sum what the k nearest elements send, weighted by ``exp(-10 d^2)``; an element is its own nearest.

    An element at ``s_i = space(x_i)`` sends ``propagate(x_i)``; the layer gives
    ``combine(sum_j exp(-10 |s_i - s_j|^2) propagate(x_j))`` over the element itself and its ``k - 1`` nearest others.
    This is the layer of arXiv:2111.12840. The one of torch_geometric 2.8 joins mean and maximum instead of the sum,
    and adds a linear shortcut.

    Graph and weights say where to look, what is sent carries the relevance: an explanation holds them constant.

    Parameters
    ----------
    inputs, outputs
        Columns of the rows that enter and leave.
    space
        Dimensions of the learned space; 0: nothing is learned of it, and ``places`` are given with the rows.
    propagate
        Columns that are sent.
    k
        Elements that are summed over, itself included; at least 2. Where there are fewer, all of them.
    """

    #: What explanations take as constant: distances, so graph and weights.
    held = ("places",)
    #: Which of an element's messages is that of itself; the others come in the order of its neighbours.
    own_slot = 0

    def __init__(self, inputs: int, outputs: int, *, space: int, propagate: int, k: int) -> None:
        super().__init__()
        self.space = nn.Linear(inputs, space) if space else None
        self.propagate = nn.Linear(inputs, propagate)
        self.graph = Neighbours(k - 1)
        self.messages = Place()
        self.combine = nn.Linear(propagate, outputs)

    def forward(self, values: Tensor, rows: Rows, places: Tensor | None = None) -> Tensor:
        """Map rows ``[rows, inputs]`` to ``[rows, outputs]``; ``places`` ``[rows, space]`` where none are learned."""
        index, weight = self.neighbourhood(self.places(values, places), rows)
        messages = self.messages(self.propagate(values)[index] * weight[..., None])
        combined: Tensor = self.combine(messages.sum(1))
        return combined

    def places(self, values: Tensor, given: Tensor | None = None) -> Tensor:
        """Return where rows ``[rows, inputs]`` lie: as learned, or as given.

        Raises
        ------
        ModelError
            If nothing is learned and nothing given.
        """
        if self.space is not None:
            learned: Tensor = self.space(values)
            return learned
        if given is None:
            raise ModelError("GravNet: got no places, expected those of its rows: with space=0 it learns none")
        return given

    def neighbourhood(self, places: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return who is summed over, and with which weight.

        Parameters
        ----------
        places
            Rows in the learned space ``[rows, space]``.
        rows
            The sets that they belong to.

        Returns
        -------
        index, weight
            Each ``[rows, k]``: positions among the rows, the first one the element itself; weights in (0, 1], exactly 1
            for itself and 0 for a neighbour that doesn't exist.
        """
        # The graph is a choice, not a function to differentiate; the weights are learned.
        there, exists = self.graph(rows.dense(places).detach(), rows.dense_mask)
        others = rows.neighbours(there)
        squared = (places[:, None, :] - places[others]).square().sum(2)
        weight = torch.where(rows.pack(exists), torch.exp(-STEEPNESS * squared), 0.0)
        own = torch.arange(places.shape[0], device=places.device)[:, None]
        return torch.cat([own, others], 1), torch.cat([torch.ones_like(weight[:, :1]), weight], 1)
