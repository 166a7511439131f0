"""MLPF networks with GravNet: every detector element becomes a class and a momentum.

``features`` computes twelve features of every element, normalised by fixed constants; nothing there is learned.
An element is a track or a calorimeter tower, in the columns of the MLPF data set (DOI 10.5281/zenodo.4559324), and a
column may mean one thing for a track and another for a tower. Every feature keeps its column:

=====  =====================  =====================  ==================================================
place  track                  tower                  normalised
=====  =====================  =====================  ==================================================
0      type = 2               type = 1               +1 for a track, -1 for a tower
1      pT [GeV]               ET [GeV]               (log - 0.5) * 0.7
2      eta                    eta                    eta / 2.5
3, 4   sin phi, cos phi       sin phi, cos phi       as they are
5      p [GeV]                E [GeV]                (log - 1.5) * 0.5
6      eta at the outer       E in the ECAL [GeV]    eta / 2.5; log(1 + E) * 0.5
       radius
7      sin phi there          E in the HCAL [GeV]    as it is; log(1 + E) * 0.5
8      cos phi there          0                      as it is
9      charge                 0                      as it is
10     is a muon (truth)      0                      as it is
11     is an electron         0                      as it is
       (truth)
=====  =====================  =====================  ==================================================

Every feature is clipped to [-5, 5]; a row whose type is 0 is padding and gives zeros. Relevance lives at these
features, so a feature that is 0 has none: a tower's missing charge explains nothing.

``body`` learns. Two published architectures and a wider one, by preset, and ``corrections``: the compact one with sums
over the calorimeter's cells and a momentum head that gives what differs from what was measured (`corrected`). All have
three perceptrons with ELU: ``embed`` (nn1) maps features to the rows that the convolutions exchange, ``classify`` (nn2)
gives class logits, ``regress`` (nn3) the momentum from features and class logits, and for corrections the last rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from fair_hep import Strict
from fair_hep.data.delphes import TOWER, TRACK
from fair_hep.nets.gravnet import GravNet
from fair_hep.nets.layers import Rows
from fair_hep.particleflow.cells import calorimeter_places
from fair_hep.particleflow.columns import CLASSES, ELEMENT, MOMENTA
from fair_hep.particleflow.corrections import CORRECTIONS, corrected
from pydantic import Field
from torch import Tensor, nn

__all__ = ["CLIP", "PRESETS", "Architecture", "Body", "ElementFeatures", "Hyperparameters", "ParticleFlow"]

#: Every feature lies within.
CLIP = 5.0

_ETA = 1 / 2.5
_PT = (0.5, 0.7)
_ENERGY = (1.5, 0.5)
_DEPOSIT = 0.5
#: 1 MeV: energies of real elements lie above; the floor keeps the logarithm finite for anything else.
_FLOOR = 1e-3


class Hyperparameters(Strict):
    """What may be chosen about the network: a published one by its preset, and any of its sizes."""

    preset: str = Field(
        "compact",
        pattern="^(explained|compact|wide|corrections)$",
        description="explained (one convolution, 311,722 parameters), compact (42,832), wide (335,496), or corrections "
        "(of what was measured)",
    )
    space: int | None = Field(None, ge=1, le=16, description="dimensions of the learned space")
    propagate: int | None = Field(None, ge=1, description="columns that elements send to each other")
    k: int | None = Field(None, ge=2, le=64, description="elements that are summed over, the element itself included")


class ElementFeatures(nn.Module):
    """Compute the features of every element; learns nothing."""

    def forward(self, elements: Tensor) -> tuple[Tensor, Tensor]:
        """Turn raw columns into features.

        Parameters
        ----------
        elements
            ``[events, elements, 12]``: tracks and towers in the columns `ELEMENT`, GeV; padding where the type is 0.

        Returns
        -------
        features, mask
            Normalised features ``[events, elements, 12]`` in [-5, 5], 0 for padding; real elements
            ``[events, elements]``.
        """
        kind = elements[..., 0]
        mask = kind > 0
        track = (kind == TRACK)[..., None]
        first = torch.stack([2.0 * kind - (TOWER + TRACK), _log(elements[..., 1], *_PT), elements[..., 2] * _ETA], -1)
        energy = _log(elements[..., 5:6], *_ENERGY)
        deposits = torch.log1p(elements[..., 6:8].clamp(min=0.0)) * _DEPOSIT
        outer = torch.cat([elements[..., 6:7] * _ETA, elements[..., 7:8]], -1)
        shared = torch.where(track, outer, deposits)
        features = torch.cat([first, elements[..., 3:5], energy, shared, elements[..., 8:]], -1).clamp(-CLIP, CLIP)
        return torch.where(mask[..., None], features, 0.0), mask


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
    corrects
        Whether the momentum head gives corrections of what was measured and the first convolution sums over the
        calorimeter's cells, see `corrections` and `cells` of `fair_hep.particleflow`.
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
    corrects: bool = False


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
    # Ours: the momentum head corrects what was measured, and who shares a cell of the calorimeter is known.
    "corrections": Architecture(
        embed=(64, 64, 64, 64), convolutions=2, width=64, space=4, propagate=30, k=16, head=(60, 60, 60),
        activated=False, classify_features=True, regress_rows=True, corrects=True,
    ),
}  # fmt: skip


class Body(nn.Module):
    """The part of the network that learns: from normalised features to class logits and momenta."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        inputs = [a.embed[-1], *[a.width] * (a.convolutions - 1)]
        self.classify_features, self.regress_rows = a.classify_features, a.regress_rows
        self.embed = _perceptron(len(ELEMENT), *a.embed)
        self.convolutions = nn.ModuleList(
            GravNet(width, a.width, space=0 if a.corrects and not number else a.space, propagate=a.propagate, k=a.k)
            for number, width in enumerate(inputs)
        )
        self.activations = nn.ModuleList(nn.LeakyReLU() for _ in inputs if a.activated)
        seen = a.width + len(ELEMENT) * a.classify_features
        self.classify = _perceptron(seen, *a.head, len(CLASSES))
        seen = len(ELEMENT) + len(CLASSES) + a.width * a.regress_rows
        self.regress = _perceptron(seen, *a.head, len(CORRECTIONS if a.corrects else MOMENTA))
        self.measured = measured if a.corrects else None
        self.places = places if a.corrects else None
        if a.corrects:  # starts from no correction
            for parameter in self.regress[-1].parameters():
                nn.init.zeros_(parameter)

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
        where = None if self.places is None else self.places(given.detach())
        for number, convolution in enumerate(self.convolutions):
            values = convolution(values, rows, where)
            if self.activations:
                values = self.activations[number](values)
        logits = self.classify(torch.cat([given, values], -1) if self.classify_features else values)
        seen = [given, logits, values] if self.regress_rows else [given, logits]
        momenta = self.regress(torch.cat(seen, -1))
        if self.measured is not None:
            momenta = corrected(self.measured(given.detach()), momenta)
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


def measured(features: Tensor) -> Tensor:
    """Return charge, ln pT, eta, sin phi, cos phi and ln E ``[..., 6]`` of elements, from their features."""
    log_pt, log_energy = (features[..., place] / scale + centre for place, (centre, scale) in ((1, _PT), (5, _ENERGY)))
    eta, sin, cos = features[..., 2] / _ETA, features[..., 3], features[..., 4]
    return torch.stack([features[..., 9], log_pt, eta, sin, cos, log_energy], -1)


def places(features: Tensor) -> Tensor:
    """Return where elements ``[...]`` lie in the calorimeter ``[..., 4]``, from their features."""
    track = features[..., 0] > 0
    eta, sin, cos = torch.where(track[..., None], features[..., 6:9], features[..., 2:5]).unbind(-1)
    return calorimeter_places(eta / _ETA, sin, cos, ~track & (features[..., 6] > 0))


def _perceptron(*widths: int) -> nn.Sequential:
    """Linear maps with ELU between them, none after the last."""
    layers: Sequence[nn.Module] = [
        layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.ELU())
    ]
    return nn.Sequential(*layers[:-1])


def _log(values: Tensor, centre: float, scale: float) -> Tensor:
    return (values.clamp(min=_FLOOR).log() - centre) * scale
