"""Sets as graphs of PyTorch Geometric, for whoever wants its loaders, transforms or explainers."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import Dataset
from torch_geometric.data import Data

from .graphs import GraphNetwork, real_graphs

__all__ = ["GraphData"]


class GraphData(Dataset[Data]):
    """The examples of a data set as `torch_geometric.data.Data`, with the graphs that a network finds.

    An example has the features of its nodes ``x``, ``edge_index``, the coordinates ``pos`` in which neighbours are
    near, and its label ``y``. `torch_geometric.loader.DataLoader` makes batches of them.

    Parameters
    ----------
    dataset
        Padded sets: what `Model.dataset` returns.
    network
        Computes features and finds graphs; its precision is that of the nodes.
    inputs
        Names of the raw inputs that the network takes.

    Examples
    --------
    With a data set and a network of the project::

        for batch in DataLoader(GraphData(dataset, network, ["particles"]), batch_size=32):
            logits = network.body.network(batch.x, batch.edge_index, batch.batch, batch.num_graphs)
    """

    def __init__(self, dataset: Any, network: GraphNetwork, inputs: list[str]) -> None:
        self.dataset, self.network, self.inputs = dataset, network, inputs

    def __len__(self) -> int:
        return len(self.dataset)

    @torch.no_grad()
    def __getitem__(self, index: int) -> Data:
        """Return one example as a graph."""
        batch = self.dataset.__getitems__([range(len(self))[index]])
        dtype = next(self.network.parameters()).dtype
        features, points, mask = self.network.features(**{name: batch[name].to(dtype) for name in self.inputs})
        near, exists = self.network.body.graph(points, mask)
        x, edge_index, _ = real_graphs(features, near, exists, mask)
        return Data(x=x, edge_index=edge_index, pos=points[mask], y=batch["label"])
