"""The hadron calorimeter as a graph: what points at one cell lies together, whatever its place in it.

Rule-based particle flow compares a cell's energy with the momenta of the tracks that hit it. A tower's place is
anywhere in its cell and a track's is where it hit, so distances don't tell who shares a cell; the detector's edges do.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..detector.cards import CMS

__all__ = ["calorimeter_places"]

#: Places per unit of eta and radian: the next cell (0.087) is half a unit away, which a GravNet weighs with exp(-2.5).
_SCALE = 0.5 / 0.087
#: How much the place within the cell adds: enough to say who is nearer among those of one cell, never who is in it.
_WITHIN = 0.2
#: Depth of the electromagnetic calorimeter, in whose cells charged hadrons leave nothing: weighed with exp(-0.6).
_DEPTH = 0.25


def calorimeter_places(eta: Tensor, sin: Tensor, cos: Tensor, electromagnetic: Tensor) -> Tensor:
    """Return the places ``[..., 4]`` of elements in a space for `GravNet`, whose graph then is the calorimeter's.

    Parameters
    ----------
    eta, sin, cos
        Direction where a track enters the calorimeter, and that of a tower ``[...]``.
    electromagnetic
        Towers of the electromagnetic calorimeter ``[...]``, boolean.

    Notes
    -----
    Cells are those of the hadron calorimeter of the card `CMS`, as in the MLPF data set. But for the depth, elements of
    one cell are less than 0.1 apart, those of others 0.45 or more.
    """
    grid = CMS.hcal.grid
    edges, counts = eta.new_tensor(grid.edges), eta.new_tensor(grid.counts)
    ring = ((eta[..., None] > edges).sum(-1) - 1).clamp(0, len(grid.counts) - 1)
    width = 2 * math.pi / counts[ring]
    number = ((torch.atan2(sin, cos) + math.pi) / width).floor()
    phi = (number.clamp(min=0).minimum(counts[ring] - 1) + 0.5) * width - math.pi
    centre = torch.stack([(edges[ring] + edges[ring + 1]) / 2, phi.sin(), phi.cos()], -1)
    places = _SCALE * centre + _WITHIN * torch.stack([eta, sin, cos], -1)
    return torch.cat([places, _DEPTH * electromagnetic.to(places.dtype)[..., None]], -1)
