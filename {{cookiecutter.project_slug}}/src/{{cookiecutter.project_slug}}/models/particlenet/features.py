"""The seven features of a jet constituent, from raw four-momenta.

Order, standardisation and clipping as in the published configuration (jet-universe/particle_transformer,
``data/TopLandscape/top_kin.yaml``): the two angles enter as they are, the others as ``(x - centre) * scale``
clipped to [-5, 5]. The first network layer after this one is a learned batch norm; relevance lives here, before it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

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
        mask = particles[..., 0] > 0
        # Padding gets harmless values, so that no logarithm of zero (and no NaN gradient) ever arises.
        unit = particles.new_tensor([1.0, 1.0, 0.0, 0.0])
        energy, px, py, pz = torch.where(mask[..., None], particles, unit).unbind(-1)
        if axis is None:
            axis = (particles * mask[..., None]).sum(1)
        filled = (axis[:, 0] > 0)[:, None]
        jet_energy, jet_px, jet_py, jet_pz = torch.where(filled, axis, unit)[:, None, :].unbind(-1)

        pt, jet_pt = _transverse(px, py), _transverse(jet_px, jet_py)
        jet_eta = _pseudorapidity(jet_pt, jet_pz)
        # eta is mirrored so that every jet points forward: the detector is symmetric, the network needn't learn it.
        side = torch.where(jet_eta < 0, -1.0, 1.0)
        delta_eta = (_pseudorapidity(pt, pz) - jet_eta) * side
        delta_phi = torch.atan2(jet_px * py - jet_py * px, jet_px * px + jet_py * py)
        # The floor keeps the gradient finite for a constituent on the axis; it is far below float32's resolution.
        delta_r = torch.sqrt((delta_eta.square() + delta_phi.square()).clamp(min=1e-30))
        angles = torch.stack([delta_eta, delta_phi], -1)
        others = torch.stack([pt.log(), energy.log(), (pt / jet_pt).log(), (energy / jet_energy).log(), delta_r], -1)
        centre, scale = particles.new_tensor(_CENTRE[2:]), particles.new_tensor(_SCALE[2:])
        standard = ((others - centre) * scale).clamp(-CLIP, CLIP)
        real = mask[..., None]
        return torch.where(real, torch.cat([angles, standard], -1), 0.0), torch.where(real, angles, 0.0), mask


def _transverse(px: Tensor, py: Tensor) -> Tensor:
    # A constituent along the beam has pt = 0; 1e-8 GeV keeps its features finite, and the clip takes care of the rest.
    return torch.sqrt(px.square() + py.square()).clamp(min=1e-8)


def _pseudorapidity(pt: Tensor, pz: Tensor) -> Tensor:
    """Return asinh(pz / pt), written with operations that every ONNX Runtime provider has."""
    ratio = pz.abs() / pt
    eta = torch.log(ratio + torch.sqrt(ratio.square() + 1.0))
    return torch.where(pz < 0, -eta, eta)
