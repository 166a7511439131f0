"""Sums over rows in a graph: written so that ONNX Runtime's threads lose no term, and found where they aren't.

ONNX Runtime (1.32) adds the slices of a ScatterND in several threads at once. Where an index comes twice, a term may be
lost, silently. A ScatterElements is added one element after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

__all__ = ["losing", "one_by_one"]


def one_by_one() -> dict[Any, Any]:
    """Return decompositions, for ``make_fx``, that turn sums over rows into scatters of single elements.

    Gathers have such sums in their backward pass: ``values[i]`` and ``values[i, j]``.
    """
    import torch

    return {torch.ops.aten.index_add.default: _index_add, torch.ops.aten.index_put.default: _index_put}


def losing(graph: onnx.GraphProto) -> list[str]:
    """Return the names of operators, inner graphs included, of whose sums ONNX Runtime may lose terms."""
    return [
        node.name or node.output[0]
        for node in _nodes(graph)
        if node.op_type == "ScatterND"
        and any(one.name == "reduction" and one.s not in (b"", b"none") for one in node.attribute)
    ]


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _index_add(values: Tensor, dim: int, index: Tensor, source: Tensor, alpha: float = 1) -> Tensor:
    rows = index.reshape([-1 if axis == dim % values.ndim else 1 for axis in range(values.ndim)])
    return values.scatter_add(dim, rows.expand(source.shape), source * alpha)


def _index_put(values: Tensor, indices: Sequence[Tensor | None], source: Tensor, accumulate: bool = False) -> Any:
    """Count the first axes through, as if they were one; other uses stay as they are."""
    import torch

    chosen = [index for index in indices if index is not None and index.dtype != torch.bool]
    if not accumulate or len(chosen) != len(indices):
        return NotImplemented
    place = torch.zeros_like(chosen[0])
    for size, index in zip(values.shape, chosen, strict=False):
        place = place * size + torch.where(index < 0, index + size, index)
    rest = values.shape[len(chosen) :]
    rows = source.expand(*place.shape, *rest).reshape(-1, *rest)
    return _index_add(values.reshape(-1, *rest), 0, place.reshape(-1), rows).reshape(values.shape)
