"""Relevance propagation as one of the explanation algorithms of PyTorch Geometric."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch_geometric.explain import Explanation as GraphExplanation
from torch_geometric.explain.algorithm import ExplainerAlgorithm
from torch_geometric.explain.config import ModelMode, ModelReturnType, ModelTaskLevel
from torch_geometric.nn import MessagePassing

from ..bundle.errors import ExplainError
from .composites import Composite
from .engine import Explainer

__all__ = ["LRP"]


class LRP(ExplainerAlgorithm):
    """Layer-wise relevance propagation for `torch_geometric.explain.Explainer`.

    Node relevance lives at ``x``. Edge relevance is the relevance of the messages that cross an edge, summed over
    channels and layers; it needs a graph that stays the same from layer to layer.

    Parameters
    ----------
    composite, bias, epsilon
        As in `explain`.

    Examples
    --------
    >>> from torch_geometric.explain import Explainer
    >>> from torch_geometric.nn import GCNConv
    >>> explainer = Explainer(
    ...     GCNConv(4, 2), LRP("epsilon"),
    ...     explanation_type="model", node_mask_type="attributes", edge_mask_type="object",
    ...     model_config={"mode": "multiclass_classification", "task_level": "node", "return_type": "raw"},
    ... )
    >>> found = explainer(torch.rand(3, 4), torch.tensor([[0, 1, 2], [1, 2, 0]]))
    >>> found.node_mask.shape, found.edge_mask.shape
    (torch.Size([3, 4]), torch.Size([3]))
    """

    def __init__(
        self,
        composite: str | Composite = "epsilon",
        *,
        bias: Literal["absorb", "exclude"] = "absorb",
        epsilon: float = 1e-6,
    ) -> None:
        super().__init__()
        self.composite, self.bias, self.epsilon = composite, bias, epsilon

    def supports(self) -> bool:
        """Say whether the settings make sense: raw outputs, so that what is explained is a logit or a value."""
        raw: bool = self.model_config.return_type == ModelReturnType.raw
        return raw

    def forward(
        self,
        model: nn.Module,
        x: Tensor,
        edge_index: Tensor,
        *,
        target: Tensor,
        index: int | Tensor | None = None,
        **options: Any,
    ) -> GraphExplanation:
        """Explain a prediction: the output of the target's class, or the value itself, summed over ``index``."""
        if not isinstance(x, Tensor) or not isinstance(edge_index, Tensor):
            raise ExplainError("heterogeneous graphs: expected one tensor of nodes and one of edges")
        messages: list[tuple[Tensor, Tensor]] = []
        node_type, edge_type = self.explainer_config.node_mask_type, self.explainer_config.edge_mask_type
        with torch.no_grad():
            weights = self._weights(model(x, edge_index, **options), target, index)
        with (
            Explainer(model, self.composite, bias=self.bias, epsilon=self.epsilon, groups=1) as explainer,
            _messages(model if edge_type is not None else None, messages),
        ):
            found = explainer(x, edge_index, target=weights.flatten(), **options)
        node_mask = found.relevance if node_type is None or node_type.value == "attributes" else None
        if node_type is not None and node_type.value == "object":
            node_mask = found.relevance.sum(1, keepdim=True)
        if node_type is not None and node_type.value == "common_attributes":
            node_mask = found.relevance.sum(0, keepdim=True)
        edge_mask = _edge_relevance(messages, edge_index, len(x)) if edge_type is not None else None
        return GraphExplanation(
            node_mask=node_mask if node_type is not None else None,
            edge_mask=edge_mask,
            explained=found.explained,
            ledger_error=found.error,
        )

    def _weights(self, output: Tensor, target: Tensor, index: int | Tensor | None) -> Tensor:
        weights = torch.zeros_like(output)
        rows = torch.arange(len(output)) if index is None else torch.as_tensor(index).flatten()
        if self.model_config.task_level == ModelTaskLevel.edge:
            raise ExplainError("edge-level tasks: expected a node or graph level")
        if self.model_config.mode == ModelMode.multiclass_classification:
            weights[rows, target[rows]] = 1.0
        else:
            weights[rows] = 1.0
        return weights


@contextlib.contextmanager
def _messages(model: nn.Module | None, found: list[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Note the messages of every layer, with their gradients."""
    with contextlib.ExitStack() as stack:
        for layer in model.modules() if model is not None else ():
            if isinstance(layer, MessagePassing):

                def note(_: Any, __: Any, message: Tensor) -> None:
                    activation = message.detach()
                    if message.requires_grad:
                        message.register_hook(lambda gradient: found.append((activation, gradient)))

                stack.callback(layer.register_message_forward_hook(note).remove)
        yield


def _edge_relevance(messages: list[tuple[Tensor, Tensor]], edge_index: Tensor, nodes: int) -> Tensor:
    edges = edge_index.shape[1]
    total = messages[0][0].new_zeros(edges) if messages else torch.zeros(edges)
    loops = bool((edge_index[0] == edge_index[1]).any())
    for activation, gradient in messages:
        relevance = (activation * gradient).flatten(1).sum(1)
        # Layers that add self-loops put them behind the edges; with loops among the edges the order isn't known.
        if len(relevance) not in (edges, edges + nodes) or (len(relevance) != edges and loops):
            raise ExplainError(
                f"{len(relevance)} messages can't be matched with {edges} edges: remove self-loops first"
            )
        total = total + relevance[:edges]
    return total
