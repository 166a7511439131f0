"""The twelve features of a detector element, normalised by fixed constants; nothing here is learned.

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
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["CLIP", "COLUMNS", "TOWER", "TRACK", "ElementFeatures"]

TOWER, TRACK = 1, 2

#: Names of the raw columns, and of the features made from them, in order.
COLUMNS = (
    "type", "pt_or_et", "eta", "sin_phi", "cos_phi", "p_or_energy", "eta_outer_or_ecal", "sin_phi_outer_or_hcal",
    "cos_phi_outer", "charge", "is_gen_muon", "is_gen_electron",
)  # fmt: skip
CLIP = 5.0

_ETA = 1 / 2.5
_PT = (0.5, 0.7)
_ENERGY = (1.5, 0.5)
_DEPOSIT = 0.5
#: 1 MeV: energies of real elements lie above; the floor keeps the logarithm finite for anything else.
_FLOOR = 1e-3


class ElementFeatures(nn.Module):
    """Compute the features of every element; learns nothing."""

    def forward(self, elements: Tensor) -> tuple[Tensor, Tensor]:
        """Turn raw columns into features.

        Parameters
        ----------
        elements
            ``[events, elements, 12]``: tracks and towers in the columns `COLUMNS`, GeV; padding where the type is 0.

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


def _log(values: Tensor, centre: float, scale: float) -> Tensor:
    return (values.clamp(min=_FLOOR).log() - centre) * scale
