"""Sums in a recorded graph: written so that ONNX Runtime loses no term and takes no detour; and found where it may.

ONNX Runtime (1.32) adds the slices of a ScatterND in several threads at once. Where an index comes twice, a term may be
lost, silently. A ScatterElements is added one element after the other; within small sets a product with zeros and ones
is several times faster (see `sums_graph`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

__all__ = ["Sums", "losing", "translations"]


class Sums:
    """What ``make_fx`` is to record in place of torch's sums.

    Gathers have sums over rows in their backward pass: ``values[i]``, ``values[i, j]`` and ``values[:, i]``.

    Attributes
    ----------
    sets
        Number of sets that rows belong to, one set after the other. Whoever records says it, as the size of what is
        recorded; None: rows belong to no sets.
    """

    def __init__(self) -> None:
        self.sets: Any = None

    def decompositions(self) -> dict[Any, Any]:
        """Return the functions by the operators that they replace."""
        import torch

        aten = torch.ops.aten
        return {
            aten.index_add.default: self._index_add,
            aten.index_put.default: self._index_put,
            aten.sum.dim_IntList: _sum,
            aten.bmm.default: _bmm,
        }

    def _index_add(self, values: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
        dim, index = dim % values.ndim, index.long()
        source = source if alpha == 1 else source * alpha
        if dim == 0 and values.ndim > 1 and self._shares(values.shape[0], index.shape[0]):
            total: Tensor = _sum_rows()(values.flatten(1), index, source.flatten(1), self.sets)
            return total.reshape(values.shape)
        rows = index.reshape([-1 if axis == dim else 1 for axis in range(values.ndim)])
        return values.scatter_add(dim, rows.expand(source.shape), source)

    def _shares(self, *lengths: Any) -> bool:
        """Say whether lengths are multiples of the number of sets, whatever the sizes are."""
        from torch.fx.experimental.symbolic_shapes import statically_known_true

        return self.sets is not None and all(statically_known_true(length % self.sets == 0) for length in lengths)

    def _index_put(
        self, values: Tensor, indices: Sequence[Tensor | None], source: Tensor, accumulate: bool = False
    ) -> Any:
        """Count axes with indices, one after the other, through, as if they were one; other uses stay as they are."""
        import torch

        first = next((axis for axis, index in enumerate(indices) if index is not None), 0)
        chosen = [at for at in indices[first:] if at is not None and at.dtype not in (torch.bool, torch.uint8)]
        if not accumulate or len(chosen) != len(indices) - first:
            return NotImplemented
        last = first + len(chosen)
        before, sizes, rest = values.shape[:first], values.shape[first:last], values.shape[last:]
        place, *others = [torch.where(at < 0, at + size, at) for size, at in zip(sizes, chosen, strict=True)]
        for size, at in zip(sizes[1:], others, strict=True):
            place = place * size + at
        rows = source.expand(*before, *place.shape, *rest).reshape(*before, -1, *rest)
        flat = values.reshape(*before, -1, *rest)
        return self._index_add(flat, first, place.reshape(-1), rows).reshape(values.shape)


def translations() -> dict[Any, Any]:
    """Return how torch's exporter writes the operator that sums over rows within sets are recorded as."""
    from .sums_graph import sum_rows

    return {_sum_rows(): sum_rows}


def losing(model: onnx.ModelProto) -> list[str]:
    """Return the names of operators, inner graphs and functions included, of whose sums ONNX Runtime may lose terms."""
    return [
        node.name or node.output[0]
        for part in (model.graph, *model.functions)
        for node in _nodes(part)
        if node.op_type == "ScatterND"
        and any(one.name == "reduction" and one.s not in (b"", b"none") for one in node.attribute)
    ]


def _nodes(part: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.NodeProto]:
    for node in part.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


@functools.cache
def _sum_rows() -> Any:
    """Register the sum over rows within sets as an operator that a recorded graph keeps whole."""
    import torch

    def add(values: Tensor, index: Tensor, source: Tensor, sets: int) -> Tensor:
        return values.index_add(0, index, source)

    schema = "(Tensor values, Tensor index, Tensor source, SymInt sets) -> Tensor"
    operator = torch.library.custom_op("fair_hep::sum_rows", add, mutates_args=(), schema=schema)
    operator.register_fake(lambda values, index, source, sets: torch.empty_like(values))
    return torch.ops.fair_hep.sum_rows.default


def _sum(values: Tensor, dims: Sequence[int] | None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Sum over the rows of every set as a product: a ReduceSum takes ten times as long where there is one set."""
    if values.ndim != 3 or list(dims or ()) != [1] or keepdim or dtype or not values.is_floating_point():
        return NotImplemented
    return values.new_ones(values.shape[0], 1, values.shape[1]).bmm(values).squeeze(1)


def _bmm(first: Tensor, second: Tensor) -> Any:
    """Sum the products of two long rows one by one: as a product of matrices it takes several times as long."""
    if first.shape[1] != 1 or second.shape[2] != 1:
        return NotImplemented
    return (first * second.transpose(1, 2)).sum(2, keepdim=True)
