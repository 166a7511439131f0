"""Particles as the MLPF data set writes them, and as a network gives them: from either to the other.

The data set has seven columns for each element: pid, charge, pT, eta, sin phi, cos phi, E. The network's momenta are
the last six with natural logarithms of pT and E in GeV: a difference is a relative error at any scale, and no output
is a negative energy. A rule-based candidate has no pT if it is neutral and no E if it is charged; a value that is 0
there is unknown.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .columns import CHARGED

__all__ = ["candidates", "momenta_of"]

#: No particle has e^12 GeV = 160 TeV or more; the limit keeps the exponential finite for an untrained network.
_HIGHEST = 12.0
_FLOOR = 1e-3


def momenta_of(particles: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the momentum head should give for particles ``[..., 7]``.

    Returns
    -------
    momenta, known
        ``[..., 6]`` in the order of `MOMENTA`, and which of them the particle says.
    """
    logs = particles.clamp(min=_FLOOR).log()
    momenta = torch.cat([particles[..., 1:2], logs[..., 2:3], particles[..., 3:6], logs[..., 6:7]], -1)
    known = torch.ones_like(momenta, dtype=torch.bool)
    known[..., 1] = particles[..., 2] > 0
    known[..., 5] = particles[..., 6] > 0
    return momenta, known


def candidates(logits: Tensor, momenta: Tensor) -> Tensor:
    """Return particles ``[..., 7]`` from raw outputs ``[..., 6]``: one for each element, zeros for class "none".

    The class is the one with the largest logit. A charged class gets the sign of the charge output, a neutral one
    charge 0; (sin phi, cos phi) is scaled to length 1.
    """
    pid = logits.argmax(-1, keepdim=True)
    charged = torch.zeros_like(pid, dtype=torch.bool)
    for number in CHARGED:
        charged = charged | (pid == number)
    sign = torch.where(momenta[..., :1] < 0, -1.0, 1.0)
    direction = momenta[..., 3:5]
    direction = direction / direction.square().sum(-1, keepdim=True).sqrt().clamp(min=1e-6)
    pt, energy = (momenta[..., place : place + 1].clamp(max=_HIGHEST).exp() for place in (1, 5))
    parts = [pid.to(momenta.dtype), torch.where(charged, sign, 0.0), pt, momenta[..., 2:3], direction, energy]
    return torch.where(pid > 0, torch.cat(parts, -1), 0.0)
