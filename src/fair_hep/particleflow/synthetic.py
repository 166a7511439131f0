"""Synthetic events for checks and tracing: made in a moment, without any file or generator."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["events"]


def events(size: int, seed: int, *, longest: int = 60) -> dict[str, Tensor]:
    """Return events of tracks and towers with a particle behind most of them.

    Parameters
    ----------
    size
        Number of events; the first has one element, the second as many as allowed.
    seed
        Seed of everything.
    longest
        Largest number of elements.

    Returns
    -------
    batch
        ``elements`` ``[size, longest, 12]``, tracks first, zero-padded; ``gen``, ``cand`` and ``target``
        ``[size, longest, 7]``, all float32 in the columns of the data set.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (size, longest)

    def uniform(low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)

    def normal(spread: float) -> Tensor:
        return spread * torch.randn(shape, generator=generator, dtype=torch.float64)

    count = torch.randint(1, longest + 1, (size,), generator=generator)
    count[:2] = torch.tensor([1, longest])[:size]
    real = torch.arange(longest) < count[:, None]
    track = torch.arange(longest) < (0.4 * count[:, None]).ceil()
    pt = torch.exp(uniform(-0.5, 4.0))
    eta = torch.where(track, uniform(-2.5, 2.5), uniform(-4.0, 4.0))
    phi = uniform(-torch.pi, torch.pi)
    energy = pt * torch.cosh(eta)
    draw = uniform()
    charged = torch.where(draw < 0.94, 1, torch.where(draw < 0.97, 4, 5))
    neutral = torch.where(draw < 0.4, 0, torch.where(draw < 0.7, 2, 3))
    pid = torch.where(track, charged, neutral)
    charge = torch.where(track, torch.where(uniform() < 0.5, -1.0, 1.0), 0.0)
    some = pid > 0
    fraction = torch.where(pid == 3, 0.95, 0.3)
    bend = phi + 0.5 * charge / pt
    zero = torch.zeros_like(pt)
    tower = [energy * fraction, energy * (1 - fraction), zero, zero, zero, zero]
    outer = [eta, bend.sin(), bend.cos(), charge, (pid == 5).double(), (pid == 4).double()]
    last = [torch.where(track, a, b) for a, b in zip(outer, tower, strict=True)]
    kind = torch.where(track, 2.0, 1.0)
    elements = torch.stack([kind, pt, eta, phi.sin(), phi.cos(), energy, *last], -1)
    true_pt, true_phi = pt * (1 + normal(0.05)), phi + normal(0.01)
    values = [true_pt, eta + normal(0.01), true_phi.sin(), true_phi.cos(), true_pt * torch.cosh(eta)]
    gen = torch.stack([pid.double(), charge, *values], -1) * some[..., None]
    cand = torch.stack([pid.double(), charge, pt * track, eta, phi.sin(), phi.cos(), energy * ~track], -1)
    particles = {"gen": gen, "cand": cand * some[..., None], "target": gen}
    named = {"elements": elements, **particles}
    return {name: torch.where(real[..., None], values, 0.0).to(torch.float32) for name, values in named.items()}
