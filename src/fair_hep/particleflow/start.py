"""A start for GravNet on tracks and towers: what points at the same place in the calorimeter, and with how much energy.

With random weights the learned space tells little of places, and a few thousand steps don't find that a track points
at a tower, nor that energies, whose logarithms are given, are to be summed before they are compared. Everything stays
free to be learned; the layers are those of any other body.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ..nets.gravnet import GravNet

__all__ = ["Places", "start_in_calorimeter"]

#: Large enough that no shifted value is below 0, where ELU bends.
_SHIFT = 4.0
#: Pushes what belongs to the other kind of element to where ELU is flat.
_AWAY = 20.0
#: ELU is an exponential below 0: energies up to so many GeV come out of their logarithms as they are.
_ENERGY = 60.0
#: Energies leave the embedding in units of 5 GeV.
_UNIT = 5.0


@dataclass(frozen=True)
class Places:
    """Where a network's features hold what the start needs.

    Parameters
    ----------
    kind
        +1 for a track and -1 for a tower.
    towers, tracks
        The place of a tower, and where a track enters the calorimeter: the same coordinates, all within +-2.
    scales
        Coordinates of the learned space are so many times the features.
    energy
        ``(ln(p or E) - centre) * scale``.
    centre, scale
        Of the energy; in GeV.
    """

    kind: int
    towers: Sequence[int]
    tracks: Sequence[int]
    scales: Sequence[float]
    energy: int
    centre: float
    scale: float


@torch.no_grad()
def start_in_calorimeter(embed: nn.Sequential, convolution: GravNet, at: Places) -> None:
    """Set the weights so that neighbours are near in the calorimeter, and two columns sum the energies around.

    The convolution's first two columns become the sums over the neighbours of the tracks' momenta and of the towers'
    energies.

    Parameters
    ----------
    embed
        Three or more linear layers with ELU between them, none after the last; the first columns of each are set.
    convolution
        The first one; its learned space is set wholly.
    at
        Where the features are.
    """
    first, second, *others = (layer for layer in embed if isinstance(layer, nn.Linear))
    count = len(at.towers)
    pairs = [(1.0, at.tracks), (-1.0, at.towers)]
    for half, (sign, columns) in enumerate(pairs):
        for number, column in enumerate(columns):
            _set(first, half * count + number, {column: 1.0}, _SHIFT)
            _only(first, half * count + number, at.kind, sign)
        energy = 2 * count + half
        _set(first, energy, {at.energy: 1 / at.scale}, at.centre - math.log(_ENERGY))
        _only(first, energy, at.kind, sign)
    # ELU gave -1 for whatever doesn't hold, and energy / 60 GeV - 1; the halves of a coordinate are joined.
    for number in range(count):
        _set(second, number, {number: 1.0, number + count: 1.0}, 1.0)
    for half in range(2):
        _set(second, count + half, {2 * count + half: 1.0}, 1.0)
    for layer in others:
        for number in range(count + 2):
            _set(layer, number, {number: 1.0}, 0.0)
    for half in range(2):
        _set(others[-1], count + half, {count + half: _ENERGY / _UNIT}, 0.0)
        _set(convolution.propagate, half, {count + half: 1.0}, 0.0)
        _set(convolution.combine, half, {half: 1.0}, 0.0)
    for number in range(convolution.space.out_features):
        _set(convolution.space, number, {number: at.scales[number]} if number < count else {}, 0.0)


def _set(layer: nn.Linear, row: int, weights: dict[int, float], bias: float) -> None:
    """Let a row of a layer be a sum of a few columns."""
    layer.weight[row] = 0.0
    for column, weight in weights.items():
        layer.weight[row, column] = weight
    layer.bias[row] = bias


def _only(layer: nn.Linear, row: int, kind: int, sign: float) -> None:
    """Let a row hold for one kind of element only."""
    layer.weight[row, kind] = sign * _AWAY / 2
    layer.bias[row] -= _AWAY / 2
