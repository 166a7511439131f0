"""A small Particle Transformer (Qu, Li and Qian, arXiv:2202.03772): attention that knows something of every pair.

No model of the template has such a network. The guide "publish your model in a day" publishes it, and a test
of the template compares the two.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn

from fair_hep.bundle.strict import Strict
from fair_hep.nets.kinematics import Seen, from_axis

__all__ = ["CLASSES", "FEATURES", "Attention", "Body", "Hyperparameters", "Network"]

CLASSES = ("QCD", "top")
FEATURES = (
    "delta_eta", "delta_phi", "log_pt", "log_energy", "log_pt_fraction", "log_energy_fraction", "delta_r",
)  # fmt: skip


class Hyperparameters(Strict):
    """What may be chosen about the network: ``model`` in a configuration."""

    heads: int = Field(2, ge=1)
    channels: int = Field(16, ge=1, description="width of one head")
    blocks: int = Field(2, ge=1)


class Features(nn.Module):
    """Compute the features of particles, what is known of every pair, and the mask; learns nothing."""

    def forward(self, particles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Turn four-momenta ``[jets, n, 4]`` into ``[jets, n, 7]``, ``[jets, n, n, 4]`` and ``[jets, n]``."""
        seen = from_axis(particles)
        angles = [seen.delta_eta.clamp(-1, 1), seen.delta_phi.clamp(-1, 1)]
        logs = [0.7 * (seen.pt.log() - 1.7), 0.7 * (seen.energy.log() - 2.0)]
        logs += [0.7 * ((seen.pt / seen.jet_pt).log() + 4.7), 0.7 * ((seen.energy / seen.jet_energy).log() + 4.7)]
        rest = [value.clamp(-5, 5) for value in (*logs, 4.0 * (seen.delta_r - 0.2))]
        values = torch.stack([*angles, *rest], -1)
        return torch.where(seen.mask[..., None], values, 0.0), self.pairs(seen), seen.mask

    def pairs(self, seen: Seen) -> Tensor:
        """Return the logarithms of distance, kT, momentum fraction and squared mass of every pair."""
        eta = seen.delta_eta[:, :, None] - seen.delta_eta[:, None]
        phi = seen.delta_phi[:, :, None] - seen.delta_phi[:, None]
        first, second = seen.pt[:, :, None], seen.pt[:, None]
        softer = torch.minimum(first, second)
        distance = torch.sqrt((eta.square() + phi.square()).clamp(min=1e-16))
        # 2 pT pT (cosh eta - cos phi) of massless particles, without the difference of two large numbers.
        mass = 4.0 * first * second * (torch.sinh(eta / 2).square() + torch.sin(phi / 2).square())
        values = torch.stack([distance, softer * distance, softer / (first + second), mass], -1)
        real = seen.mask[:, :, None] & seen.mask[:, None]
        return torch.where(real[..., None], values.clamp(min=1e-8).log(), 0.0)


class Weights(nn.Module):
    """How much each query attends to each particle: from what they are, and from what is known of the pair."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.softmax = nn.Linear(width, width), nn.Linear(width, width), nn.Softmax(-1)

    def forward(self, queries: Tensor, values: Tensor, known: Tensor | float, mask: Tensor) -> Tensor:
        """Return weights ``[jets, heads, queries, particles]`` that are 0 for padding."""
        query = self.query(queries).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key = self.key(values).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        logits = query @ key.transpose(2, 3) / math.sqrt(key.shape[-1]) + known
        real = mask[:, None, None, :]
        return self.softmax(logits.masked_fill(~real, -1e9)) * real


class Attention(nn.Module):
    """Every query receives what particles send, by their weights."""

    held = ("weights",)  # constant where relevance flows (Ali et al., arXiv:2202.07304)

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.weights = Weights(width, heads)
        self.value, self.output = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, queries: Tensor, values: Tensor, known: Tensor | float, mask: Tensor) -> Tensor:
        """Return ``[jets, queries, width]``."""
        weights = self.weights(queries, values, known, mask)
        sent = self.value(values).unflatten(-1, (weights.shape[1], -1)).transpose(1, 2)
        received: Tensor = self.output((weights @ sent).transpose(1, 2).flatten(2))
        return received


class Block(nn.Module):
    """Particles attend to each other, then each goes through a small network; both are added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        first, second = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.mlp = nn.Sequential(nn.LayerNorm(width), first, nn.GELU(), nn.LayerNorm(2 * width), second)

    def forward(self, values: Tensor, known: Tensor, mask: Tensor) -> Tensor:
        """Map ``[jets, n, width]`` to the same shape."""
        normal = self.before(values)
        values = values + self.after(self.attention(normal, normal, known, mask))
        return values + self.mlp(values)


class Body(nn.Module):
    """What learns: particles attend to each other, then a token attends to all of them and is classified."""

    def __init__(self, chosen: Hyperparameters) -> None:
        super().__init__()
        heads, width = chosen.heads, chosen.heads * chosen.channels
        self.embed = nn.Sequential(nn.Linear(len(FEATURES), width), nn.GELU(), nn.Linear(width, width))
        self.pairs = nn.Sequential(nn.Linear(4, 16), nn.GELU(), nn.Linear(16, heads))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(chosen.blocks))
        self.token = nn.Parameter(0.1 * torch.randn(1, 1, width))
        self.norm, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, len(CLASSES)))

    def forward(self, features: Tensor, pairs: Tensor, mask: Tensor) -> Tensor:
        """Return logits ``[jets, classes]``."""
        values, known = self.embed(features), self.pairs(pairs).permute(0, 3, 1, 2)
        for block in self.blocks:
            values = block(values, known, mask)
        token = self.token.expand(features.shape[0], -1, -1)
        token = token + self.attention(token, self.norm(values), 0.0, mask)
        logits: Tensor = self.head(token[:, 0])
        return logits


class Network(nn.Module):
    """From four-momenta to logits."""

    def __init__(self, chosen: Hyperparameters) -> None:
        super().__init__()
        self.features, self.body = Features(), Body(chosen)

    def forward(self, particles: Tensor) -> Tensor:
        """Return logits ``[jets, classes]`` of four-momenta ``[jets, n, 4]`` (E, px, py, pz in GeV), zero-padded."""
        logits: Tensor = self.body(*self.features(particles))
        return logits
