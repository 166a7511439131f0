"""The network: ``features`` computes and learns nothing, ``body`` learns, and ``forward`` is one behind the other.

Deep Sets (Zaheer et al., arXiv:1703.06114) as a tagger of jets (Komiske et al., arXiv:1810.05165): one network for
every constituent, the sum over them, one network of the sum. So neither order nor number of constituents matters.
"""

from __future__ import annotations

import torch
from fair_hep import Strict
from fair_hep.nets.kinematics import from_axis
from pydantic import Field
from torch import Tensor, nn

from .inputs import CLASSES, FEATURES

__all__ = ["Hyperparameters", "Network"]


class Hyperparameters(Strict):
    """What may be chosen about the network: ``model`` in a configuration."""

    width: int = Field(64, ge=1, description="width of the hidden layers")
    latent: int = Field(64, ge=1, description="numbers that the sum over constituents has")


class Features(nn.Module):
    """Compute the features of every constituent ``[jets, constituents, 4]``, 0 for padding, and which are real."""

    def forward(self, particles: Tensor) -> tuple[Tensor, Tensor]:
        """Turn four-momenta ``[jets, constituents, 4]`` (E, px, py, pz in GeV) into features."""
        seen = from_axis(particles)
        angles = [seen.delta_eta.clamp(-1, 1), seen.delta_phi.clamp(-1, 1)]
        sizes = [0.7 * (seen.pt.log() - 1.7), 0.7 * ((seen.pt / seen.jet_pt).log() + 4.7)]
        values = torch.stack([*angles, *(size.clamp(-5, 5) for size in sizes)], -1)
        return torch.where(seen.mask[..., None], values, 0.0), seen.mask


class Body(nn.Module):
    """Classify jets from the features of their constituents: ``[jets, classes]`` logits."""

    def __init__(self, chosen: Hyperparameters) -> None:
        super().__init__()
        width, latent = chosen.width, chosen.latent
        self.constituent = nn.Sequential(
            nn.Linear(len(FEATURES), width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, latent),
            nn.ReLU(),
        )  # fmt: skip
        self.jet = nn.Sequential(
            nn.Linear(latent, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, len(CLASSES))
        )

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Map every constituent, add up those that are real, and classify the sum."""
        rows = self.constituent(features) * mask[..., None].to(features.dtype)
        logits: Tensor = self.jet(rows.sum(1))
        return logits


class Network(nn.Module):
    """The network from raw inputs to logits."""

    def __init__(self, chosen: Hyperparameters) -> None:
        super().__init__()
        self.features = Features()
        self.body = Body(chosen)

    def forward(self, particles: Tensor) -> Tensor:
        """Return logits ``[jets, classes]`` of four-momenta ``[jets, constituents, 4]``, zero-padded."""
        logits: Tensor = self.body(*self.features(particles))
        return logits
