"""The network, as one writes it with PyTorch Geometric, and the features that it learns from.

Two layers of graph attention (GATv2: Brody et al., arXiv:2105.14491), the mean over the nodes of each graph, and a
small head. Activations are modules, so that each has a rule of explanation; pooling is told how many graphs there are,
so that the explanation can be exported; loops stand in the graph already.
"""

from __future__ import annotations

import torch
from fair_hep import Strict
from fair_hep.nets.kinematics import from_axis
from pydantic import Field
from torch import Tensor, nn
from torch_geometric.nn import GATv2Conv, global_mean_pool

__all__ = ["Features", "Hyperparameters", "Network"]


class Hyperparameters(Strict):
    """What may be chosen about the network: ``model`` in a configuration."""

    width: int = Field(16, ge=1, description="channels of each head")
    heads: int = Field(4, ge=1, description="heads of attention")
    layers: int = Field(2, ge=1, description="layers of messages")
    neighbours: int = Field(8, ge=1, description="nearest others that a constituent hears from")


class Network(nn.Module):
    """Graph attention on flat nodes, for graphs of any origin."""

    def __init__(self, features: int, classes: int, chosen: Hyperparameters) -> None:
        super().__init__()
        width = chosen.width * chosen.heads
        self.layers, self.activations = nn.ModuleList(), nn.ModuleList()
        for number in range(chosen.layers):
            inputs = features if number == 0 else width
            self.layers.append(GATv2Conv(inputs, chosen.width, heads=chosen.heads, residual=True, add_self_loops=False))
            self.activations.append(nn.ReLU())
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, classes))

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None, graphs: int | None = None) -> Tensor:
        """Return logits ``[graphs, classes]`` of nodes ``x`` ``[nodes, features]``; ``batch`` says whose they are."""
        for layer, activation in zip(self.layers, self.activations, strict=True):
            x = activation(layer(x, edge_index))
        logits: Tensor = self.head(global_mean_pool(x, batch, graphs))
        return logits


class Features(nn.Module):
    """Compute the features of every constituent, where neighbours are near, and which constituents are real."""

    def forward(self, particles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Turn four-momenta ``[jets, constituents, 4]`` (E, px, py, pz in GeV) into features, points and a mask."""
        seen = from_axis(particles)
        points = torch.stack([seen.delta_eta, seen.delta_phi], -1)
        sizes = [seen.pt.log() - 1.7, seen.energy.log() - 2.0, (seen.pt / seen.jet_pt).log() + 4.7]
        features = torch.cat([points.clamp(-1, 1), (0.7 * torch.stack(sizes, -1)).clamp(-5, 5)], -1)
        real = seen.mask[..., None]
        return torch.where(real, features, 0.0), torch.where(real, points, 0.0), seen.mask
