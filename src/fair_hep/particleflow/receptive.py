"""Receptive fields: which elements an output sees through graph convolutions, and along which paths.

An output sees its own row of the last convolution; each convolution before adds the neighbours of all that is seen.
Paths that meet in one element are merged there, so an event of N elements needs N times the size of a receptive field,
never N^2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Pairs", "Paths", "spread"]


@dataclass(frozen=True)
class Pairs:
    """Pairs of an output and an element that it sees, sorted by output, then by element.

    Parameters
    ----------
    output
        Number of the output ``[pairs]``.
    element
        Row of the element ``[pairs]``.
    """

    output: Tensor
    element: Tensor

    def offsets(self, outputs: int) -> Tensor:
        """Return where the pairs of every output start ``[outputs + 1]``."""
        counts = torch.bincount(self.output, minlength=outputs)
        return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


@dataclass(frozen=True)
class Paths:
    """The steps from some pairs to others through one sum over neighbours.

    Parameters
    ----------
    source
        The pair that each step comes from ``[steps]``, in the order of the pairs where they arrive.
    weight
        Of each step ``[steps]``.
    starts
        Where the steps that arrive at each pair start ``[pairs + 1]``.
    """

    source: Tensor
    weight: Tensor
    starts: Tensor

    def carry(self, values: Tensor) -> Tensor:
        """Carry ``[pairs before, columns]`` along all paths; sums where they meet: ``[pairs after, columns]``."""
        result: Tensor = functional.embedding_bag(
            self.source, values, self.starts, mode="sum", per_sample_weights=self.weight, include_last_offset=True
        )
        return result


def spread(pairs: Pairs, index: Tensor, weight: Tensor) -> tuple[Pairs, Paths]:
    """Go from the elements of pairs to their neighbours; merge what meets.

    Parameters
    ----------
    pairs
        Outputs and the elements that they see.
    index, weight
        Neighbours of every element and their weights ``[rows, k]``; a weight of 0 is no neighbour.

    Returns
    -------
    pairs, paths
        Outputs and the elements that they see now, and the steps that lead there.
    """
    rows, k = index.shape
    key = (pairs.output[:, None] * rows + index[pairs.element]).flatten()
    along = weight[pairs.element].flatten()
    source = torch.arange(len(pairs.output), device=index.device).repeat_interleave(k)
    there = along > 0
    if not bool(there.all()):
        key, along, source = key[there], along[there], source[there]
    key, order = key.sort()
    fresh = torch.ones_like(key, dtype=torch.bool)
    torch.ne(key[1:], key[:-1], out=fresh[1:])
    starts = fresh.nonzero()[:, 0]
    merged = key[starts]
    ends = torch.cat([starts, starts.new_full((1,), len(key))])
    return Pairs(merged // rows, merged % rows), Paths(source[order], along[order], ends)
