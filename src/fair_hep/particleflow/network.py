"""MLPF networks with GravNet: every detector element becomes a class and a momentum.

Two published architectures and a wider one, by preset. All have three perceptrons with ELU: ``embed`` (nn1) maps
features to the rows that the GravNet convolutions exchange, ``classify`` (nn2) gives class logits, ``regress`` (nn3)
gives the momentum from the features and the class logits.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..nets.gravnet import GravNet
from ..nets.layers import Rows
from .features import COLUMNS, ElementFeatures
from .particles import CLASSES, MOMENTA

__all__ = ["PRESETS", "Architecture", "Body", "ParticleFlow"]


@dataclass(frozen=True)
class Architecture:
    """What makes a network.

    Parameters
    ----------
    embed
        Widths of the embedding's layers after the features; the last one enters the convolutions.
    convolutions
        Number of GravNet convolutions.
    width
        Columns that leave every convolution.
    space, propagate, k
        See `GravNet`.
    head
        Hidden widths of both heads.
    activated
        Whether a LeakyReLU follows every convolution.
    classify_features
        Whether the classifying head sees the features beside the rows of the last convolution.
    regress_rows
        Whether the momentum head sees those rows beside features and logits.
    """

    embed: tuple[int, ...]
    convolutions: int
    width: int
    space: int
    propagate: int
    k: int
    head: tuple[int, ...]
    activated: bool
    classify_features: bool
    regress_rows: bool


PRESETS: dict[str, Architecture] = {
    # The network of arXiv:2111.12840: one convolution over 16 elements.
    "explained": Architecture(
        embed=(64, 64, 12), convolutions=1, width=64, space=4, propagate=22, k=16, head=(256, 256, 256),
        activated=True, classify_features=False, regress_rows=True,
    ),
    # The later one, as its authors' explanation code builds it by default (DOI 10.5281/zenodo.7266537).
    "compact": Architecture(
        embed=(64, 64, 64, 64), convolutions=2, width=64, space=4, propagate=30, k=8, head=(60, 60, 60),
        activated=False, classify_features=True, regress_rows=False,
    ),
    # The same with the wider layers of the authors' reconstruction code.
    "wide": Architecture(
        embed=(120, 120, 120, 64), convolutions=2, width=64, space=4, propagate=22, k=16, head=(256, 256, 256),
        activated=False, classify_features=True, regress_rows=False,
    ),
}  # fmt: skip


class Body(nn.Module):
    """The part of the network that learns: from normalised features to class logits and momenta."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        inputs = [a.embed[-1], *[a.width] * (a.convolutions - 1)]
        self.architecture = a
        self.embed = _perceptron(len(COLUMNS), *a.embed)
        self.convolutions = nn.ModuleList(
            GravNet(width, a.width, space=a.space, propagate=a.propagate, k=a.k) for width in inputs
        )
        self.activations = nn.ModuleList(nn.LeakyReLU() for _ in inputs if a.activated)
        seen = a.width + len(COLUMNS) * a.classify_features
        self.classify = _perceptron(seen, *a.head, len(CLASSES))
        seen = len(COLUMNS) + len(CLASSES) + a.width * a.regress_rows
        self.regress = _perceptron(seen, *a.head, len(MOMENTA))

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruct events.

        Parameters
        ----------
        features
            ``[events, elements, 12]``, see `ElementFeatures`.
        mask
            Real elements ``[events, elements]``.

        Returns
        -------
        logits, momenta
            ``[events, elements, 6]`` each, in the order of `CLASSES` and `MOMENTA`; 0 for padding.
        """
        rows = Rows(mask, packed=self.training)
        given = rows.pack(features)
        values = self.embed(given)
        for number, convolution in enumerate(self.convolutions):
            values = convolution(values, rows)
            if self.activations:
                values = self.activations[number](values)
        a = self.architecture
        logits = self.classify(torch.cat([given, values], -1) if a.classify_features else values)
        seen = [given, logits, values] if a.regress_rows else [given, logits]
        momenta = self.regress(torch.cat(seen, -1))
        real = mask[..., None]
        return torch.where(real, rows.dense(logits), 0.0), torch.where(real, rows.dense(momenta), 0.0)


class ParticleFlow(nn.Module):
    """MLPF from raw detector elements: ``features`` computes, ``body`` learns.

    Parameters
    ----------
    preset
        One of `PRESETS`.
    changes
        Fields of `Architecture` that differ from the preset.
    """

    def __init__(self, preset: str = "compact", **changes: int) -> None:
        super().__init__()
        self.features = ElementFeatures()
        self.body = Body(replace(PRESETS[preset], **changes))  # type: ignore[arg-type]

    def forward(self, elements: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and momenta, ``[events, elements, 6]`` each.

        Parameters
        ----------
        elements
            ``[events, elements, 12]``: tracks and towers as in the data set; any order, any number.
        """
        outputs: tuple[Tensor, Tensor] = self.body(*self.features(elements))
        return outputs


def _perceptron(*widths: int) -> nn.Sequential:
    """Linear maps with ELU between them, none after the last."""
    layers: Sequence[nn.Module] = [
        layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.ELU())
    ]
    return nn.Sequential(*layers[:-1])
