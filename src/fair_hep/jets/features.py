"""The seven features of a jet constituent, from raw four-momenta.

Order, standardisation and clipping as in the published configuration (jet-universe/particle_transformer,
``data/TopLandscape/top_kin.yaml``): the two angles enter as they are, the others as ``(x - centre) * scale``
clipped to [-5, 5]. The first network layer after this one is a learned batch norm; relevance lives here, before it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..nets.kinematics import from_axis

__all__ = ["CLIP", "FEATURES", "JetFeatures"]

#: Names of the features in order.
FEATURES = ("delta_eta", "delta_phi", "log_pt", "log_energy", "log_pt_fraction", "log_energy_fraction", "delta_r")

_CENTRE = (0.0, 0.0, 1.7, 2.0, -4.7, -4.7, 0.2)
_SCALE = (1.0, 1.0, 0.7, 0.7, 0.7, 0.7, 4.0)
CLIP = 5.0


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
