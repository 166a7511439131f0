"""Networks of PyTorch Geometric on padded sets: flat nodes, ``edge_index`` and ``batch`` in, whatever the layers.

While it trains, a network sees what PyG's own loaders would give it: the real elements and edges of all sets, one after
the other. Otherwise shapes may not depend on values, so that there is one ONNX graph for all sets: every set gets one
node more, at which all edges that don't exist begin and end, and that node and the padding are a graph of their own in
the batch. What comes out for those is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.aggr import Aggregation

from ..bundle.errors import ModelError
from .layers import Neighbours

__all__ = ["GraphBody", "GraphNetwork", "Loops", "Observed", "all_graphs", "real_graphs"]


class Loops(nn.Module):
    """The nearest others of every element, and the element itself in the last slot, as attention wants it.

    Parameters
    ----------
    k
        Number of others.
    """

    #: Which of an element's messages is that of itself; the others come in the order of its neighbours.
    own_slot = -1

    def __init__(self, k: int) -> None:
        super().__init__()
        self.nearest = Neighbours(k)

    def forward(self, points: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return neighbours and which of them exist, each ``[sets, elements, k + 1]``."""
        index, valid = self.nearest(points, mask)
        own = torch.arange(mask.shape[1], device=mask.device).expand(mask.shape)
        return torch.cat([index, own[..., None]], 2), torch.cat([valid, mask[..., None]], 2)


class Messages(nn.Identity):
    """A place where the messages of a layer can be read: ``[nodes, slots, channels]``."""


class Observed(Aggregation):
    """An aggregation of PyG with a place before it, where explanations read the relevance of every edge.

    Parameters
    ----------
    inner
        The aggregation.
    graph
        What finds the edges of every node, which lie one after the other.
    """

    def __init__(self, inner: Aggregation, graph: Loops) -> None:
        super().__init__()
        self.inner, self.messages = inner, Messages()
        # Not a part of this: it belongs to the body, and may be told to find fewer.
        self._graph = (graph,)

    @property
    def slots(self) -> int:
        """Edges of every node, its own included."""
        return self._graph[0].nearest.k + 1

    def reset_parameters(self) -> None:
        """Reset the aggregation."""
        self.inner.reset_parameters()

    def forward(self, x: Tensor, index: Tensor | None = None, *context: Any, **options: Any) -> Tensor:
        """Aggregate messages ``[edges, ...]`` at the nodes ``index``."""
        # Graphs of other origin (PyG's own loaders) needn't have as many edges at every node.
        if not self.training and x.shape[0] % self.slots == 0:
            x = self.messages(x.reshape(-1, self.slots, x[0].numel())).reshape(x.shape)
        result: Tensor = self.inner(x, index, *context, **options)
        return result


class GraphBody(nn.Module):
    """The part that learns: a network of PyG, given padded sets.

    Parameters
    ----------
    network
        ``network(x, edge_index, batch, batch_size)`` gives one row for each graph. It takes ``x`` ``[nodes,
        features]``, ``edge_index`` ``[2, edges]`` (from, to), the graph of every node ``batch`` ``[nodes]``, and the
        number of graphs, which pooling needs: ``global_mean_pool(x, batch, batch_size)``.
    k
        Neighbours of every element; the element itself is one more.

    Raises
    ------
    ModelError
        If a layer adds loops of its own.
    """

    def __init__(self, network: nn.Module, k: int) -> None:
        super().__init__()
        self.graph = Loops(k)
        self.network = network
        for name, layer in network.named_modules():
            if getattr(layer, "add_self_loops", False):
                raise ModelError(
                    f"layer {name!r} ({type(layer).__name__}) adds loops, but every node has one already, the last of "
                    "its edges: give the layer add_self_loops=False"
                )
            if isinstance(layer, MessagePassing) and layer.aggr_module is not None:
                layer.aggr_module = Observed(layer.aggr_module, self.graph)

    def forward(self, features: Tensor, points: Tensor, mask: Tensor) -> Tensor:
        """Classify sets.

        Parameters
        ----------
        features
            ``[sets, elements, features]``.
        points
            Coordinates in which neighbours are near, ``[sets, elements, dimensions]``.
        mask
            Real elements ``[sets, elements]``.

        Returns
        -------
        outputs
            ``[sets, columns]``.
        """
        index, valid = self.graph(points, mask)
        nodes = real_graphs if self.training else all_graphs
        x, edge_index, batch = nodes(features, index, valid, mask)
        if self.training:
            outputs: Tensor = self.network(x, edge_index, batch, mask.shape[0])
            return outputs
        # Every second graph is that of the padding.
        both: Tensor = self.network(x, edge_index, batch, 2 * mask.shape[0])
        return both.unflatten(0, (-1, 2))[:, 0]

    def complaint(self, features: Tensor, points: Tensor, mask: Tensor) -> str:
        """Say if pooling isn't told how many graphs there are; nothing if all is well.

        PyG reads the number off the largest index then, which is another for a batch that ends with an empty graph, and
        which no exported graph can do. One graph more, without any node, tells the two apart.
        """
        index, valid = self.graph(points, mask)
        x, edge_index, batch = all_graphs(features, index, valid, mask)
        graphs = 2 * mask.shape[0] + 1
        rows = len(self.network(x, edge_index, batch, graphs))
        if rows == graphs:
            return ""
        return (
            f"the network gave {rows} rows for {graphs} graphs, the last of which is empty: pooling isn't told the "
            "number of graphs, the fourth argument of forward; write global_mean_pool(x, batch, graphs)"
        )

    def edges(self, name: str = "") -> Mapping[str, str]:
        """Name the places where layers have messages, each with the module that finds their graph."""
        return {
            f"{name}{place}.messages": f"{name}graph"
            for place, module in self.named_modules()
            if isinstance(module, Observed)
        }


def real_graphs(features: Tensor, index: Tensor, valid: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return nodes, edges and graphs of the real elements, as a batch of PyG has them.

    Parameters
    ----------
    features
        ``[sets, elements, features]``.
    index, valid
        Neighbours and which of them exist, each ``[sets, elements, slots]``.
    mask
        Real elements ``[sets, elements]``.

    Returns
    -------
    x, edge_index, batch
        ``[nodes, features]``, ``[2, edges]``, ``[nodes]``.
    """
    sets, elements = mask.shape
    place = (mask.flatten().cumsum(0) - 1).reshape(sets, elements)
    there = place[:, :, None].expand_as(index)
    here = place.gather(1, index.flatten(1)).reshape(index.shape)
    graph = torch.arange(sets, device=mask.device)[:, None].expand_as(mask)
    return features[mask], torch.stack([here[valid], there[valid]]), graph[mask]


def all_graphs(features: Tensor, index: Tensor, valid: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same for all elements and one node more of every set; shapes don't depend on values.

    The graph of a set is ``2 * set``; that of its padding, and of its last node, the one after it.
    """
    sets, elements = mask.shape
    start = torch.arange(sets, device=mask.device)[:, None] * (elements + 1)
    there = (start + torch.arange(elements, device=mask.device))[:, :, None]
    nowhere = (start + elements)[:, :, None]
    edge_index = torch.stack(
        [
            torch.where(valid, start[:, :, None] + index, nowhere).flatten(),
            torch.where(valid, there, nowhere).flatten(),
        ]
    )
    x = torch.cat([features, features.new_zeros(sets, 1, features.shape[2])], 1)
    outside = torch.cat([~mask, mask.new_ones(sets, 1)], 1)
    batch = 2 * torch.arange(sets, device=mask.device)[:, None] + outside.to(torch.long)
    return x.flatten(0, 1), edge_index, batch.flatten()


class GraphNetwork(nn.Module):
    """A whole network: ``features`` computes, and ``body`` is a network of PyG on the nearest neighbours.

    Parameters
    ----------
    features
        Module that gives features, the coordinates of neighbours, and which elements are real.
    network, k
        As of `GraphBody`.
    """

    def __init__(self, features: nn.Module, network: nn.Module, k: int) -> None:
        super().__init__()
        self.features = features
        self.body = GraphBody(network, k)

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor:
        """Return what the network of PyG gives for the raw inputs."""
        outputs: Tensor = self.body(*self.features(*inputs, **named))
        return outputs
