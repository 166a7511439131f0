"""Networks of which it is known what they hear: some features, the nearest neighbours, the first elements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from top_tagger import ParticleNetModel
from top_tagger.network import JetFeatures
from torch import Tensor, nn

from fair_hep.models.contract import Model
from fair_hep.nets.layers import Neighbours, Place, Rows

__all__ = ["FEATURES", "NEAREST", "K", "planted"]

#: Features that are heard: the first ones.
FEATURES = 3
#: Neighbours that are found, and how many of them are heard: the nearest.
K, NEAREST = 8, 2


class Body(nn.Module):
    """A mean over elements, of a function of each and of its nearest neighbours."""

    def __init__(self, features: int, elements: int | None) -> None:
        super().__init__()
        self.graph = Neighbours(K)
        self.first, self.activation = nn.Linear(features, 8), nn.ReLU()
        self.messages = Place()
        self.last = nn.Linear(8, 2)
        self.elements = elements
        with torch.no_grad():
            self.first.weight[:, FEATURES:] = 0.0

    def forward(self, features: Tensor, points: Tensor, mask: Tensor) -> Tensor:
        """Return logits ``[jets, 2]``."""
        rows = Rows(mask, packed=False)
        values = self.activation(self.first(rows.pack(features)))
        if self.elements is None:
            index, valid = self.graph(points, mask)
            heard = rows.pack(valid) & (torch.arange(index.shape[2]) < NEAREST)
            near = values[rows.neighbours(index)] * heard[..., None].to(values.dtype)
            values = values + self.messages(near).sum(1)
        counts = mask if self.elements is None else mask & (torch.arange(mask.shape[1]) < self.elements)
        real = counts[..., None].to(values.dtype)
        pooled = (rows.dense(values) * real).sum(1) / real.sum(1).clamp(min=1.0)
        logits: Tensor = self.last(pooled)
        return logits

    def edges(self) -> Mapping[str, str]:
        """Name no place: the messages lie beside the graph."""
        return {}


class Network(nn.Module):
    """The features of ParticleNet, and a body that was planted."""

    def __init__(self, features: int, elements: int | None) -> None:
        super().__init__()
        self.features, self.body = JetFeatures(), Body(features, elements)

    def forward(self, particles: Tensor, axis: Tensor | None = None) -> Tensor:
        """Return logits ``[jets, 2]``."""
        logits: Tensor = self.body(*self.features(particles, axis))
        return logits


def planted(size: int, *, elements: int | None = None) -> tuple[Model, nn.Module, dict[str, Any]]:
    """Return a network that hears little, with examples whose labels are its own answers: half of each class.

    Parameters
    ----------
    size
        Number of examples.
    elements
        Elements that are heard, each for itself: the first ones; None: all, with their nearest neighbours.
    """
    model = ParticleNetModel()
    torch.manual_seed(5)
    network = Network(len(model.features.columns), elements).eval()
    batch = model.example(size, 0)
    inputs = {name: batch[name] for name in ("particles", "axis") if name in batch}
    with torch.no_grad():
        features, _, mask = network.features(**inputs)
        network.body.first.weight /= features[mask].std(0)  # so that each is heard as loudly
        score = torch.tensor([-1.0, 1.0]) @ network(**inputs).T
        network.body.last.bias.sub_(score.median() * torch.tensor([-0.5, 0.5]))
        batch["label"] = network(**inputs).argmax(1)
    return model, network, batch
