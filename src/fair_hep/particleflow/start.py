"""A start for GravNet on tracks and towers: at first, neighbours are those that lie near each other in the calorimeter.

With random weights the learned space tells little of places, and a few thousand steps don't find that a track points
at a tower. Everything stays free to be learned; the layers are those of any other body.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["start_in_calorimeter"]

#: Large enough that no shifted coordinate is below 0, where ELU bends.
_SHIFT = 4.0
#: Pushes the coordinates of the other kind of element to where ELU is flat.
_AWAY = 20.0


@torch.no_grad()
def start_in_calorimeter(
    embed: nn.Sequential,
    space: nn.Linear,
    *,
    kind: int,
    towers: Sequence[int],
    tracks: Sequence[int],
    scales: Sequence[float],
) -> None:
    """Set the weights so that the first coordinates of the learned space are places in the calorimeter.

    Parameters
    ----------
    embed
        Linear layers with ELU between them, none after the last; the first columns of each layer are set.
    space
        The linear layer from the embedded rows to the learned space; it is set wholly.
    kind
        The feature that is +1 for a track and -1 for a tower.
    towers, tracks
        The features that hold the place of a tower, and where a track enters the calorimeter: the same coordinates,
        all within +-2.
    scales
        Each coordinate is so many times the feature.
    """
    layers = [layer for layer in embed if isinstance(layer, nn.Linear)]
    count = len(towers)
    first = layers[0]
    for number, (tower, track) in enumerate(zip(towers, tracks, strict=True)):
        for row, (column, sign) in enumerate(((track, 1.0), (tower, -1.0))):
            place = number + row * count
            first.weight[place] = 0.0
            first.weight[place, column] = 1.0
            first.weight[place, kind] = sign * _AWAY / 2
            first.bias[place] = _SHIFT - _AWAY / 2
    for layer in layers[1:]:
        # The two halves are joined once, then handed on; ELU gave -1 for the half that doesn't hold.
        joined = layer is layers[1]
        for number in range(count):
            layer.weight[number] = 0.0
            layer.weight[number, number] = 1.0
            if joined:
                layer.weight[number, number + count] = 1.0
            layer.bias[number] = 1.0 if joined else 0.0
    space.weight.zero_()
    space.bias.zero_()
    for number, scale in enumerate(scales):
        space.weight[number, number] = scale
