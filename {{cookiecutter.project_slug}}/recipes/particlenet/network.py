"""ParticleNet and ParticleNet-Lite as published (arXiv:1902.08570), from raw four-momenta to logits.

``features`` computes and learns nothing, ``body`` learns. Order, standardisation and clipping of the features as in the
published configuration (jet-universe/particle_transformer, ``data/TopLandscape/top_kin.yaml``): the two angles enter as
they are, the others as ``(x - centre) * scale`` clipped to [-5, 5]. The first layer of the body is a learned batch
norm; relevance lives before it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from fair_hep import Strict
from fair_hep.nets.kinematics import from_axis
from fair_hep.nets.layers import EdgeConv, MaskedBatchNorm, Neighbours, Rows
from pydantic import Field
from torch import Tensor, nn

from .inputs import CLASSES, CLIP, FEATURES

__all__ = ["PRESETS", "Body", "Hyperparameters", "JetFeatures", "ParticleNet"]

_CENTRE = (0.0, 0.0, 1.7, 2.0, -4.7, -4.7, 0.2)
_SCALE = (1.0, 1.0, 0.7, 0.7, 0.7, 0.7, 4.0)
#: Table 1 of arXiv:1902.08570: per EdgeConv block the number of neighbours and the widths; then the head.
PRESETS: dict[str, tuple[tuple[tuple[int, tuple[int, ...]], ...], int]] = {
    "full": (((16, (64, 64, 64)), (16, (128, 128, 128)), (16, (256, 256, 256))), 256),
    "lite": (((7, (32, 32, 32)), (7, (64, 64, 64))), 128),
}


class Hyperparameters(Strict):
    """What may be chosen about the network: ``model`` in a configuration."""

    preset: str = Field("full", pattern="^(full|lite)$", description="full (366,160 parameters) or lite (26,416)")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of the head's channels that a step leaves out")


class JetFeatures(nn.Module):
    """Compute the features of every constituent; learns nothing."""

    def forward(self, particles: Tensor, axis: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Turn four-momenta into features.

        Parameters
        ----------
        particles
            ``[jets, constituents, 4]``: E, px, py, pz in GeV. A constituent is real where E > 0.
        axis
            Four-momentum of every jet ``[jets, 4]``; by default the sum of the constituents given.

        Returns
        -------
        features, points, mask
            Standardised features ``[jets, constituents, 7]``, 0 for padding; (delta eta, delta phi)
            ``[jets, constituents, 2]``; real constituents ``[jets, constituents]``.
        """
        seen = from_axis(particles, axis)
        angles = torch.stack([seen.delta_eta, seen.delta_phi], -1)
        shares = [(seen.pt / seen.jet_pt).log(), (seen.energy / seen.jet_energy).log()]
        others = torch.stack([seen.pt.log(), seen.energy.log(), *shares, seen.delta_r], -1)
        centre, scale = particles.new_tensor(_CENTRE[2:]), particles.new_tensor(_SCALE[2:])
        standard = ((others - centre) * scale).clamp(-CLIP, CLIP)
        real = seen.mask[..., None]
        return torch.where(real, torch.cat([angles, standard], -1), 0.0), torch.where(real, angles, 0.0), seen.mask


class Body(nn.Module):
    """The part of ParticleNet that learns: from standardised features to logits.

    Parameters
    ----------
    blocks
        For every EdgeConv block the number of neighbours and the widths of its MLP.
    head
        Width of the hidden layer after pooling.
    features
        Number of features that enter.
    dropout
        Probability of dropping a hidden unit while training.
    classes
        Number of logits.
    """

    def __init__(
        self,
        blocks: tuple[tuple[int, tuple[int, ...]], ...],
        head: int,
        *,
        features: int = len(FEATURES),
        dropout: float = 0.1,
        classes: int = len(CLASSES),
    ) -> None:
        super().__init__()
        widths = [features, *(channels[-1] for _, channels in blocks)]
        self.graphs = nn.ModuleList(Neighbours(k) for k, _ in blocks)
        self.norm = MaskedBatchNorm(features)
        self.blocks = nn.ModuleList(
            EdgeConv(width, channels) for width, (_, channels) in zip(widths[:-1], blocks, strict=True)
        )
        self.hidden = nn.Linear(widths[-1], head)
        self.activation = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(head, classes)

    def forward(self, features: Tensor, points: Tensor, mask: Tensor) -> Tensor:
        """Classify jets.

        Parameters
        ----------
        features
            ``[jets, constituents, features]``; of the published network those of ``inputs.py``.
        points
            Coordinates of the first graph, ``[jets, constituents, 2]``: (delta eta, delta phi).
        mask
            Real constituents ``[jets, constituents]``.

        Returns
        -------
        logits
            ``[jets, classes]``; (QCD, top).
        """
        rows = Rows(mask, packed=self.training)
        values = self.norm(rows.pack(features), rows.mask)
        for number, (graph, block) in enumerate(zip(self.graphs, self.blocks, strict=True)):
            # The graph is a choice, not a function to differentiate; later graphs live in feature space.
            space = points if number == 0 else rows.dense(values).detach()
            index, valid = graph(space, mask)
            values = block(values, rows.mask, rows.neighbours(index), rows.pack(valid))
        pooled = rows.mean(values)
        return self.classify(self.dropout(self.activation(self.hidden(pooled))))

    def edges(self) -> Mapping[str, str]:
        """Name the places where edges have messages, each with the module that finds their graph."""
        return {f"blocks.{number}.messages": f"graphs.{number}" for number in range(len(self.blocks))}


class ParticleNet(nn.Module):
    """ParticleNet from raw four-momenta: ``features`` computes, ``body`` learns."""

    def __init__(self, preset: str = "full", *, dropout: float = 0.1) -> None:
        super().__init__()
        blocks, head = PRESETS[preset]
        self.features = JetFeatures()
        self.body = Body(blocks, head, dropout=dropout)

    def forward(self, particles: Tensor, axis: Tensor | None = None) -> Tensor:
        """Return logits ``[jets, 2]`` of (QCD, top).

        Parameters
        ----------
        particles
            ``[jets, constituents, 4]``: E, px, py, pz in GeV, zero-padded; any order, any number.
        axis
            Four-momentum of every jet ``[jets, 4]``; by default the sum of its constituents.
        """
        logits: Tensor = self.body(*self.features(particles, axis))
        return logits
