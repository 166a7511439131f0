"""A small Particle Transformer (Qu, Li and Qian, arXiv:2202.03772), of torch's own modules only.

No model of the template has such a network; the guide "publish your model in a day" publishes this one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["Attention", "Body", "ParticleTransformer"]

FEATURES = ("delta_eta", "delta_phi", "log_pt", "log_energy", "log_pt_fraction", "log_energy_fraction", "delta_r")


class Features(nn.Module):
    """From four-momenta ``[jets, particles, 4]`` (E, px, py, pz) to features, pairs and the mask; learns nothing."""

    def forward(self, particles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``[jets, particles, 7]``, ``[jets, particles, particles, 4]`` and ``[jets, particles]``."""
        mask = particles[..., 0] > 0
        real = mask[..., None]
        jet = torch.where(mask.any(1)[:, None], (particles * real).sum(1), particles.new_tensor([1.0, 1.0, 0.0, 0.0]))
        energy, pt, eta, phi = self.cylindrical(torch.where(real, particles, jet[:, None]))
        jet_energy, jet_pt, jet_eta, jet_phi = self.cylindrical(jet[:, None])
        angles = torch.stack([eta - jet_eta, self.wrapped(phi - jet_phi)], -1)
        logs = torch.stack([pt, energy, 100.0 * pt / jet_pt, 100.0 * energy / jet_energy], -1).log()
        distance = angles.square().sum(-1, keepdim=True).clamp(min=1e-16).sqrt()
        features = torch.cat([angles, 0.7 * (logs - 1.7).clamp(-7.0, 7.0), 4.0 * (distance - 0.2)], -1)
        return torch.where(real, features, 0.0), self.pairs(pt, angles, mask), mask

    def cylindrical(self, momenta: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return energy, transverse momentum, pseudorapidity and azimuth."""
        energy, px, py, pz = momenta.unbind(-1)
        pt = torch.sqrt(px.square() + py.square()).clamp(min=1e-8)
        ratio = pz.abs() / pt
        eta = torch.log(ratio + torch.sqrt(ratio.square() + 1.0))
        return energy, pt, torch.where(pz < 0, -eta, eta), torch.atan2(py, px)

    def wrapped(self, angle: Tensor) -> Tensor:
        """Return the same angle between -pi and pi."""
        return torch.atan2(torch.sin(angle), torch.cos(angle))

    def pairs(self, pt: Tensor, angles: Tensor, mask: Tensor) -> Tensor:
        """Return ln Delta, ln kT, ln z and ln m^2 of all pairs of massless particles."""
        eta, phi = (angles[:, :, None] - angles[:, None]).unbind(-1)
        phi = self.wrapped(phi)
        first, second = pt[:, :, None], pt[:, None]
        lower = torch.minimum(first, second)
        delta = torch.sqrt((eta.square() + phi.square()).clamp(min=1e-16))
        # 2 pT pT (cosh eta - cos phi), without the difference of two large numbers.
        mass = 4.0 * first * second * (torch.sinh(eta / 2).square() + torch.sin(phi / 2).square())
        values = torch.stack([delta, lower * delta, lower / (first + second), mass], -1).clamp(min=1e-8).log()
        return torch.where((mask[:, :, None] & mask[:, None])[..., None], values, 0.0)


class Weights(nn.Module):
    """How much each query attends to each particle, head by head, from their values and what is known of the pair."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.softmax = nn.Softmax(-1)

    def forward(self, queries: Tensor, values: Tensor, pairs: Tensor | float, mask: Tensor) -> Tensor:
        """Return weights ``[jets, heads, queries, particles]``, 0 for what isn't real."""
        query, key = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query(queries), self.key(values))
        )
        logits = query @ key.transpose(2, 3) / math.sqrt(key.shape[-1]) + pairs
        real = mask[:, None, None, :]
        return self.softmax(logits.masked_fill(~real, -1e9)) * real


class Attention(nn.Module):
    """Attention of several heads. Its weights are taken as constant where it is explained (arXiv:2202.07304)."""

    #: What `explain` holds.
    held = ("weights",)

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.weights = Weights(width, heads)
        self.value, self.output = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, queries: Tensor, values: Tensor, pairs: Tensor | float, mask: Tensor) -> Tensor:
        """Return what each query receives, ``[jets, queries, width]``."""
        weights = self.weights(queries, values, pairs, mask)
        sent = self.value(values).unflatten(-1, (weights.shape[1], -1)).transpose(1, 2)
        received: Tensor = self.output((weights @ sent).transpose(1, 2).flatten(2))
        return received


class Block(nn.Module):
    """Attention and a small network, each with a layer norm before and within, added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.LayerNorm(2 * width),
            nn.Linear(2 * width, width),
        )  # fmt: skip

    def forward(self, values: Tensor, pairs: Tensor, mask: Tensor) -> Tensor:
        """Map ``[jets, particles, width]`` to the same shape."""
        normal = self.before(values)
        values = values + self.after(self.attention(normal, normal, pairs, mask))
        return values + self.mlp(values)


class Body(nn.Module):
    """What learns: particles attend to each other, then a token for the class attends to them."""

    def __init__(self, width: int, heads: int, blocks: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(len(FEATURES), width), nn.GELU(), nn.Linear(width, width))
        self.pairs = nn.Sequential(nn.Linear(4, 16), nn.GELU(), nn.Linear(16, heads))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.token = nn.Parameter(0.1 * torch.randn(1, 1, width))
        self.norm, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))

    def forward(self, features: Tensor, pairs: Tensor, mask: Tensor) -> Tensor:
        """Return logits ``[jets, classes]``."""
        values = self.embed(features)
        known = self.pairs(pairs).permute(0, 3, 1, 2)
        for block in self.blocks:
            values = block(values, known, mask)
        token = self.token.expand(len(features), -1, -1)
        token = token + self.attention(token, self.norm(values), 0.0, mask)
        logits: Tensor = self.head(token[:, 0])
        return logits


class ParticleTransformer(nn.Module):
    """From four-momenta to logits."""

    def __init__(self, width: int = 32, heads: int = 2, blocks: int = 2, classes: int = 2) -> None:
        super().__init__()
        self.features = Features()
        self.body = Body(width, heads, blocks, classes)

    def forward(self, particles: Tensor) -> Tensor:
        """Return logits ``[jets, classes]`` of four-momenta ``[jets, particles, 4]``, zero-padded."""
        logits: Tensor = self.body(*self.features(particles))
        return logits
