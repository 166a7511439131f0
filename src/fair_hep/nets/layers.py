"""Layers of graph networks in plain torch: neighbours, edge maps, masked normalisation and pooling.

Everything here exports to ONNX with both axes dynamic and can be explained: linear maps are modules or plain gathers,
sums and means. Sets are padded tensors ``[sets, elements, ...]`` with a mask of the real elements; inside a network
they are *rows* ``[rows, ...]`` (see `Rows`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import get_proxy_mode
from torch.nn import functional

__all__ = [
    "Counting",
    "EdgeConv",
    "EdgeLinear",
    "MaskedBatchNorm",
    "Neighbours",
    "Place",
    "Rows",
    "WeightedSum",
    "nearest",
    "nearest_set_by_set",
]


#: Dimensions up to which distances are summed directly: exact where it matters, and as fast.
DIRECT = 4
#: Pairs of elements whose distances are in memory at a time; beyond it, sets are searched in blocks that fit a cache.
PAIRS = 2**23
_BLOCK = 2**20
#: Sets with so many elements are searched one by one while training: together they'd be padded to the largest.
LARGE = 256


class Place(nn.Identity):
    """A named place in a network where relevance can be read off; it changes nothing."""


class Counting(nn.Module):
    """Features of which some columns count; the others are 0, whatever is given.

    Parameters
    ----------
    features
        A module that gives features ``[..., columns]``, or a tuple whose first tensor they are.
    counts
        For every column whether it counts.
    """

    def __init__(self, features: nn.Module, counts: Sequence[bool]) -> None:
        super().__init__()
        self.features = features
        self.counts = list(counts)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Compute features, and set to 0 those that don't count."""
        found = self.features(*inputs, **named)
        values = found if isinstance(found, Tensor) else found[0]
        kept = torch.where(values.new_tensor(self.counts, dtype=torch.bool), values, 0.0)
        return kept if isinstance(found, Tensor) else (kept, *found[1:])


class WeightedSum(nn.Module):
    """The sum over neighbours with weights, as one product: it reads the edges once and writes nothing of their size.

    It is a `Place` as well: what is read off it is the relevance of what it sums.
    """

    #: Explanations read relevance off the first input, whose weights in the output the second input is.
    weighs = True

    def forward(self, edges: Tensor, weights: Tensor) -> Tensor:
        """Sum edges ``[rows * k, columns]``, in the order of weights ``[rows, k]``, to ``[rows, columns]``."""
        return torch.bmm(weights[:, None, :], edges.unflatten(0, weights.shape)).squeeze(1)


def nearest(points: Tensor, mask: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the ``min(k, n - 1)`` nearest real others of every element.

    Parameters
    ----------
    points
        Coordinates ``[sets, elements, dimensions]``.
    mask
        Real elements ``[sets, elements]``, boolean.
    k
        Number of neighbours wanted, at least 1.

    Returns
    -------
    index, valid
        Neighbours ``[sets, elements, k]`` as positions within the set, and which of them exist. A slot that doesn't
        exist points at the element itself.

    Notes
    -----
    Distances are summed directly in up to `DIRECT` dimensions. In more they are ``|a|^2 + |b|^2 - 2 a.b`` of
    coordinates relative to the mean of the set, which is faster there but rounds more. No tensor ever holds
    ``elements * elements * dimensions`` values, and outside of an export none holds more than `PAIRS` pairs: large
    sets are searched in blocks of elements.
    """
    points = torch.where(mask[..., None], points, 0.0)
    if points.shape[2] > DIRECT:
        count = mask.sum(1).clamp(min=1)
        points = points - (points.sum(1) / count[:, None])[:, None, :]
    # An exported graph has no loop, so that the number of elements stays free.
    if _recorded() or mask.shape[0] * mask.shape[1] ** 2 <= PAIRS:
        return _nearest_to(slice(None), points, mask, k)
    sets, elements = mask.shape
    block = max(1, _BLOCK // (sets * elements))
    found = [_nearest_to(slice(start, start + block), points, mask, k) for start in range(0, elements, block)]
    return torch.cat([index for index, _ in found], 1), torch.cat([valid for _, valid in found], 1)


def _nearest_to(block: slice, points: Tensor, mask: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the nearest others of some elements among all."""
    elements = points.shape[1]
    place = torch.arange(elements, device=points.device)
    own = place[block, None]
    squared = _squared_distances(points[:, block], points, torch.where(mask, 0.0, torch.inf).to(points.dtype))
    squared = squared.masked_fill(own == place, torch.inf)
    # Columns at infinity make top-k well defined for sets of any size, also in ONNX Runtime.
    missing = k if _recorded() else max(0, k - elements)
    squared = functional.pad(squared, (0, missing), value=torch.inf)
    distance, index = torch.topk(squared, k, dim=2, largest=False, sorted=True)
    valid = torch.isfinite(distance) & mask[:, block, None]
    return torch.where(valid, index, own), valid


def _recorded() -> bool:
    """Say whether an export records what is done, for sets of any size."""
    return torch.compiler.is_exporting() or get_proxy_mode() is not None


def nearest_set_by_set(points: Tensor, mask: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the same as `nearest`, set by set and among real elements only: faster where large sets differ in size."""
    sets, elements, _ = points.shape
    index = torch.arange(elements, device=points.device)[None, :, None].repeat(sets, 1, k)
    valid = torch.zeros_like(index, dtype=torch.bool)
    for number, real in enumerate(mask):
        place = real.nonzero()[:, 0]
        found, exists = nearest(points[number, place][None], real[place][None], k)
        index[number, place] = place[found[0]]
        valid[number, place] = exists[0]
    return index, valid


class Neighbours(nn.Module):
    """`nearest` as a module without weights, so that graphs can be read off a network, or frozen, by a hook."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, points: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return neighbours and which of them exist, each ``[sets, elements, k]``."""
        # Only while training: an exported graph, and what is compared with it, searches all sets at once.
        search = nearest_set_by_set if self.training and points.shape[1] >= LARGE else nearest
        return search(points, mask, self.k)

    def extra_repr(self) -> str:
        """Say the number of neighbours."""
        return f"k={self.k}"


def _squared_distances(first: Tensor, second: Tensor, offset: Tensor) -> Tensor:
    """Return squared distances ``[sets, n, m]`` of ``[sets, n, dimensions]`` from ``[sets, m, ...]``, plus offsets."""
    if first.shape[2] <= DIRECT:
        total = offset[:, None, :]
        for axis in range(first.shape[2]):
            difference = first[:, :, None, axis] - second[:, None, :, axis]
            total = torch.addcmul(total, difference, difference)
        return total
    norms = first.square().sum(2)[:, :, None] + (second.square().sum(2) + offset)[:, None, :]
    return norms - 2.0 * first @ second.transpose(1, 2)


class Rows:
    """The elements of padded sets as one list of rows, so that linear maps see no padding where that pays.

    Packed (while training): only real elements, so that neither time nor batch-norm statistics go to padding.
    Not packed (otherwise): all ``sets * elements`` rows in order, so that shapes don't depend on the values.

    Parameters
    ----------
    mask
        Real elements ``[sets, elements]``, boolean.
    packed
        Whether to keep real elements only.
    """

    def __init__(self, mask: Tensor, *, packed: bool) -> None:
        self.dense_mask = mask
        self.packed = packed
        self.sets, self.elements = mask.shape
        if packed:
            self.positions = mask.flatten().nonzero()[:, 0]
            self.mask = torch.ones_like(self.positions, dtype=torch.bool)
        else:
            self.mask = mask.flatten()

    def pack(self, dense: Tensor) -> Tensor:
        """Turn ``[sets, elements, ...]`` into ``[rows, ...]``."""
        flat = dense.flatten(0, 1)
        return flat[self.positions] if self.packed else flat

    def dense(self, rows: Tensor) -> Tensor:
        """Turn ``[rows, columns]`` into ``[sets, elements, columns]``, zero where there is no element."""
        if self.packed:
            flat = rows.new_zeros(self.dense_mask.numel(), rows.shape[1]).index_copy(0, self.positions, rows)
        else:
            flat = rows
        return flat.reshape(self.sets, self.elements, rows.shape[1])

    def neighbours(self, index: Tensor) -> Tensor:
        """Turn positions within sets ``[sets, elements, k]`` into positions among the rows ``[rows, k]``."""
        start = torch.arange(self.sets, device=index.device)[:, None, None] * self.elements
        flat = self.pack(index + start)
        if not self.packed:
            return flat
        place = torch.zeros(self.dense_mask.numel(), dtype=torch.long, device=index.device)
        place[self.positions] = torch.arange(len(self.positions), device=index.device)
        return place[flat]

    def mean(self, rows: Tensor) -> Tensor:
        """Average ``[rows, columns]`` over the real elements of every set: ``[sets, columns]``, 0 for an empty set."""
        real = self.dense_mask[..., None].to(rows.dtype)
        return (self.dense(rows) * real).sum(1) / real.sum(1).clamp(min=1.0)


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation over the last axis whose statistics run over real entries only.

    In a training with several processes they run over the real entries of all of them, so that the number of
    processes doesn't change what is learned.
    """

    #: Where explanations find the channels; torch's own batch norm has them at 1.
    channel_axis = -1

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """Normalise ``[..., columns]``; entries outside ``mask`` ``[...]`` don't count while training."""
        flat = values.reshape(-1, values.shape[-1])
        if not self.training:
            return super().forward(flat).reshape(values.shape)
        chosen = mask.reshape(-1)
        normalise = self._over_processes if _several_processes() else super().forward
        if bool(chosen.all()):
            return normalise(flat).reshape(values.shape)
        normal = normalise(flat[chosen])
        return torch.zeros_like(flat).index_put((chosen,), normal).reshape(values.shape)

    def _over_processes(self, flat: Tensor) -> Tensor:
        total: Tensor = _SumOverProcesses.apply(torch.cat([flat.sum(0), flat.new_full((1,), len(flat))]))
        count = total[-1]
        mean = total[:-1] / count
        centred = flat - mean
        variance: Tensor = _SumOverProcesses.apply(centred.square().sum(0)) / count
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            momentum = 0.1 if self.momentum is None else self.momentum
            with torch.no_grad():
                self.num_batches_tracked += 1
                self.running_mean.lerp_(mean, momentum)
                self.running_var.lerp_(variance * count / (count - 1).clamp(min=1.0), momentum)
        return centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total


def _several_processes() -> bool:
    return (
        torch.distributed.is_available()
        and torch.distributed.is_initialized()
        and torch.distributed.get_world_size() > 1
    )


class EdgeLinear(nn.Module):
    """A linear map of the edge input ``[x_i, x_j - x_i]``, computed per element instead of per edge.

    ``[Wa, Wb] [x_i, x_j - x_i] = (Wa - Wb) x_i + Wb x_j``: both products run over elements, and only sums over edges.
    ``weight`` is kept as published, ``[outputs, 2 * inputs]``; `folded` gives the two factors.

    Reference: Wang et al., "Dynamic graph CNN for learning on point clouds", arXiv:1801.07829, eq. 8.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool = False) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.weight = nn.Parameter(torch.empty(outputs, 2 * inputs))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw random weights, as a linear map of the edge input has them."""
        like = nn.Linear(2 * self.inputs, self.outputs, bias=self.bias is not None)
        self.weight = nn.Parameter(like.weight.detach())
        self.bias = None if self.bias is None else nn.Parameter(like.bias.detach())

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return the weights on the element itself and on its neighbour, each ``[outputs, inputs]``."""
        first, second = self.weight[:, : self.inputs], self.weight[:, self.inputs :]
        return first - second, second

    def forward(self, rows: Tensor, neighbours: Tensor) -> Tensor:
        """Map rows ``[rows, inputs]`` with neighbours ``[rows, k]`` to edges ``[rows, k, outputs]``."""
        return self.map(self.folded(), self.bias, rows, neighbours)

    def map(self, factors: tuple[Tensor, ...], bias: Tensor | None, rows: Tensor, neighbours: Tensor) -> Tensor:
        """Do the same with other factors and another bias, as explanations need."""
        own, other = factors
        return functional.linear(rows, own, bias)[:, None, :] + functional.linear(rows, other)[neighbours]

    def extra_repr(self) -> str:
        """Say the sizes, as torch's own layers do."""
        return f"{self.inputs}, {self.outputs}, bias={self.bias is not None}"


class EdgeConv(nn.Module):
    """Edge convolution of ParticleNet: an MLP on every edge, the mean over neighbours, and a shortcut.

    Reference: Qu and Gouskos, arXiv:1902.08570, figure 1 (right): three times linear (no bias), batch norm, ReLU;
    mean over the neighbours that exist, 0 if there is none; linear shortcut with batch norm; ReLU of the sum.

    Parameters
    ----------
    inputs
        Columns of the rows that enter.
    channels
        Widths of the edge MLP; the last one is the width that leaves.
    """

    def __init__(self, inputs: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(channels))
        self.edge = EdgeLinear(inputs, channels[0])
        self.linears = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairs)
        self.norms = nn.ModuleList(MaskedBatchNorm(c) for c in channels)
        self.activations = nn.ModuleList(nn.ReLU() for _ in channels)
        self.messages = WeightedSum()
        self.shortcut = nn.Linear(inputs, channels[-1], bias=False)
        self.shortcut_norm = MaskedBatchNorm(channels[-1])
        self.activation = nn.ReLU()

    def forward(self, rows: Tensor, mask: Tensor, neighbours: Tensor, valid: Tensor) -> Tensor:
        """Map rows ``[rows, inputs]`` to ``[rows, channels[-1]]`` over the edges ``[rows, k]`` that are ``valid``."""
        edges = self.edge(rows, neighbours)
        # One list of edges: an exported graph has nothing between a linear map and its ReLU, and can fuse them.
        edges, exists = self.activations[0](self.norms[0](edges, valid)).flatten(0, 1), valid.flatten()
        for linear, norm, activation in zip(self.linears, self.norms[1:], self.activations[1:], strict=True):
            edges = activation(norm(linear(edges), exists))
        real = valid.to(edges.dtype)
        mean = self.messages(edges, real / real.sum(1, keepdim=True).clamp(min=1.0))
        return self.activation(mean + self.shortcut_norm(self.shortcut(rows), mask))
