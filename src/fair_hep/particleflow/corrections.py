"""Momenta as corrections of what the detector measured of an element: its charge, pT, direction and energy.

A track has a direction and a momentum already, and a tower a place and an energy. A network that predicts momenta anew
has to learn to copy those; one that predicts what differs starts at the measurement, and what it learns is the
detector's response. Pata et al., arXiv:2309.06782, predict ratios of pT and energy for the same reason.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.delphes import TRACK
from .candidates import momenta_of
from .columns import CLASSES

__all__ = ["CORRECTIONS", "corrected", "momentum_loss", "response_errors"]

#: What a head of corrections gives, in order: ln(pT / measured), eta - measured, sine and cosine - 1 of phi - measured,
#: ln(E / measured), each in units of the detector's resolution. The charge is the track's: nothing corrects it.
CORRECTIONS = ("log_pt_ratio", "delta_eta", "sin_delta_phi", "cos_delta_phi", "log_energy_ratio")
#: Resolutions in that order, rounded: a track's pT is known to a fifth at most, its direction to 0.01; a tower's place
#: to a fraction of its size, and its energy to 150 % / sqrt(E / GeV), at most to a half, since particles share towers.
_TRACK = (0.2, 0.01, 0.01, 0.01, 0.2)
_TOWER = (0.5, 0.05, 0.05, 0.05, 0.5)
_STOCHASTIC = 1.5
#: A factor above e^3 corrects nothing any more; the limit keeps the loss finite for an untrained network.
_LARGEST = 3.0


def corrected(measured: Tensor, corrections: Tensor) -> Tensor:
    """Return momenta ``[..., 6]`` in the order of `MOMENTA`.

    Every operation is linear in the corrections, so relevance passes it as it is; what was measured counts as constant.

    Parameters
    ----------
    measured
        Charge, ln pT, eta, sin phi, cos phi and ln E as measured ``[..., 6]``, pT and E in GeV. Tracks are the elements
        with a charge.
    corrections
        ``[..., 5]`` in the order of `CORRECTIONS`, in units of the resolution.
    """
    charge, log_pt, eta, sin, cos, log_energy = measured.unbind(-1)
    scaled = corrections * _resolution(charge[..., None] != 0, log_energy[..., None])
    log_ratio, delta_eta, sine, cosine, log_energy_ratio = scaled.unbind(-1)
    turn = cosine + 1.0
    parts = [
        charge,
        log_pt + log_ratio,
        eta + delta_eta,
        sin * turn + cos * sine,
        cos * turn - sin * sine,
        log_energy + log_energy_ratio,
    ]
    return torch.stack(parts, -1)


def response_errors(momenta: Tensor, wanted: Tensor, elements: Tensor) -> Tensor:
    """Return errors of momenta in units of the detector's resolution ``[..., 6]``: what `corrected` can change.

    An error of pT or energy is relative to the truth for a track, whose response an evaluation measures so, and to what
    was measured for a tower: its best answer is the mean of the truth, and sums over towers, as in jets, have no bias.

    Parameters
    ----------
    momenta, wanted
        As the network gives them and as they should be ``[..., 6]``, in the order of `MOMENTA`.
    elements
        The elements ``[..., 12]``, in the columns of the data set.
    """
    track = elements[..., :1] == TRACK
    logs = [1, 5]
    unit = _resolution(track, elements[..., 5:6].to(momenta).clamp(min=1e-3).log())
    scale = torch.where(track, wanted[..., logs], elements[..., logs].to(momenta).clamp(min=1e-3).log())
    found, true = ((values[..., logs] - scale).clamp(max=_LARGEST).exp() for values in (momenta, wanted))
    energies = (found - true) / unit[..., [0, 4]]
    angles = (momenta - wanted)[..., 2:5] / unit[..., 1:4]
    return torch.cat([torch.zeros_like(energies[..., :1]), energies[..., :1], angles, energies[..., 1:]], -1)


def _resolution(track: Tensor, log_energy: Tensor) -> Tensor:
    """Return the units ``[..., 5]`` of corrections, given which elements are tracks and ln E ``[..., 1]`` each."""
    tower = log_energy.new_tensor(_TOWER).expand(*log_energy.shape[:-1], len(CORRECTIONS))
    sharper = (_STOCHASTIC / _TOWER[0] * torch.exp(-log_energy / 2)).clamp(max=1.0)
    tower = torch.cat([tower[..., :1] * sharper, tower[..., 1:4], tower[..., 4:] * sharper], -1)
    return torch.where(track, log_energy.new_tensor(_TRACK), tower)


def momentum_loss(
    logits: Tensor, momenta: Tensor, target: Tensor, elements: Tensor, *, resolution: bool = False
) -> Tensor:
    """Return the mean squared error over known values of elements with a particle whose class is right.

    Parameters
    ----------
    logits, momenta
        Of real elements ``[elements, 6]`` each.
    target, elements
        Their particles ``[elements, 7]``, and the elements themselves ``[elements, 12]``, in the data set's columns.
    resolution
        Count errors in units of the detector's resolution, see `response_errors`, and a class as 1 / sqrt(count):
        else what is learned of the momenta of muons, the sharpest, is next to nothing. Otherwise count errors of the
        momenta as they are, all elements alike, as published.
    """
    wanted, known = momenta_of(target.to(momenta.dtype))
    label = target[:, 0].long()
    chosen = (label > 0) & (logits.detach().argmax(-1) == label)
    counted = (known & chosen[:, None]).to(momenta.dtype)
    errors = momenta - wanted
    if resolution:
        errors = response_errors(momenta, wanted, elements)
        counted = counted * torch.bincount(label, minlength=len(CLASSES)).clamp(min=1).rsqrt()[label][:, None]
    total = counted.sum()
    return (errors.square() * counted).sum() / total.clamp(min=torch.finfo(total.dtype).tiny)
