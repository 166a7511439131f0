"""Take out of a recorded graph what copies a tensor and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.fx import GraphModule, Node

__all__ = ["without_copies"]


def without_copies(recorded: GraphModule) -> GraphModule:
    """Drop what gives a tensor the shape that it has already: torch's is free, ONNX Runtime's may be a copy.

    Products of batches of matrices are taken apart with them, and so is ``x[:, None]``. The graph is changed in place.
    """
    import torch

    aten = torch.ops.aten
    # The last one isn't a view, but nobody changes a gradient in place.
    kinds = (aten.expand.default, aten.view.default, aten.slice.Tensor, aten.slice_backward.default)
    for kind in kinds:
        for node in recorded.graph.find_nodes(op="call_function", target=kind):
            if _same_shape(node, node.args[0]):
                node.replace_all_uses_with(node.args[0])
                recorded.graph.erase_node(node)
    for node in recorded.graph.find_nodes(op="call_function", target=aten.view.default):
        while node.args[0].target is aten.view.default:
            node.update_arg(0, node.args[0].args[0])
    recorded.graph.eliminate_dead_code()
    recorded.recompile()
    return recorded


def _same_shape(first: Node, second: Node) -> bool:
    from torch.fx.experimental.symbolic_shapes import statically_known_true

    one, other = first.meta["val"].shape, second.meta["val"].shape
    return len(one) == len(other) and all(statically_known_true(a == b) for a, b in zip(one, other, strict=True))
