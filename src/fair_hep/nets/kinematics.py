"""Kinematics of a jet's constituents as networks see them: exportable to ONNX, and finite, also for padding."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Seen", "from_axis", "pseudorapidity", "transverse"]


class Seen(NamedTuple):
    """Constituents seen from the axis of their jet, each ``[jets, constituents]``; padding has harmless values.

    Parameters
    ----------
    mask
        Real constituents.
    pt, energy
        In GeV.
    delta_eta, delta_phi, delta_r
        Distance from the axis. eta is mirrored so that every jet points forward: the detector is symmetric, a network
        needn't learn it.
    jet_pt, jet_energy
        Of the jet, ``[jets, 1]``, in GeV.
    """

    mask: Tensor
    pt: Tensor
    energy: Tensor
    delta_eta: Tensor
    delta_phi: Tensor
    delta_r: Tensor
    jet_pt: Tensor
    jet_energy: Tensor


def from_axis(particles: Tensor, axis: Tensor | None = None) -> Seen:
    """Return what constituents look like from the axis of their jet.

    Parameters
    ----------
    particles
        ``[jets, constituents, 4]``: E, px, py, pz in GeV. A constituent is real where E > 0.
    axis
        Four-momentum of every jet ``[jets, 4]``; by default the sum of the constituents given.
    """
    mask = particles[..., 0] > 0
    # Padding gets harmless values, so that no logarithm of zero (and no NaN gradient) ever arises.
    unit = particles.new_tensor([1.0, 1.0, 0.0, 0.0])
    energy, px, py, pz = torch.where(mask[..., None], particles, unit).unbind(-1)
    if axis is None:
        axis = (particles * mask[..., None]).sum(1)
    filled = (axis[:, 0] > 0)[:, None]
    jet_energy, jet_px, jet_py, jet_pz = torch.where(filled, axis, unit)[:, None, :].unbind(-1)

    pt, jet_pt = transverse(px, py), transverse(jet_px, jet_py)
    jet_eta = pseudorapidity(jet_pt, jet_pz)
    side = torch.where(jet_eta < 0, -1.0, 1.0)
    delta_eta = (pseudorapidity(pt, pz) - jet_eta) * side
    delta_phi = torch.atan2(jet_px * py - jet_py * px, jet_px * px + jet_py * py)
    # The floor keeps the gradient finite for a constituent on the axis; it is far below float32's resolution.
    delta_r = torch.sqrt((delta_eta.square() + delta_phi.square()).clamp(min=1e-30))
    return Seen(mask, pt, energy, delta_eta, delta_phi, delta_r, jet_pt, jet_energy)


def transverse(px: Tensor, py: Tensor) -> Tensor:
    """Return pT; along the beam 1e-8 instead of 0, so that what follows stays finite."""
    return torch.sqrt(px.square() + py.square()).clamp(min=1e-8)


def pseudorapidity(pt: Tensor, pz: Tensor) -> Tensor:
    """Return asinh(pz / pt), written with operations that every ONNX Runtime provider has."""
    ratio = pz.abs() / pt
    eta = torch.log(ratio + torch.sqrt(ratio.square() + 1.0))
    return torch.where(pz < 0, -eta, eta)
