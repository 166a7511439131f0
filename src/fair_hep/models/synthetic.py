"""Synthetic jets for checks and tracing: made in a moment, without any file or generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..bundle.errors import ModelError
from ..bundle.quantities import derive, needed

if TYPE_CHECKING:
    from ..bundle import TensorSpec

__all__ = ["jets", "synthetic"]


def jets(size: int, seed: int, *, longest: int = 60, classes: int = 2) -> dict[str, Tensor]:
    """Return jets with one prong (label 0) or three prongs (label 1).

    Parameters
    ----------
    size
        Number of jets; the first has one constituent, the second as many as allowed.
    seed
        Seed of everything.
    longest
        Largest number of constituents.
    classes
        Number of classes; beyond two, the prongs of a class lie further apart the higher its label.

    Returns
    -------
    batch
        ``particles`` ``[size, longest, 4]`` massless, in GeV, hardest first, zero-padded; ``axis`` ``[size, 4]``;
        ``label`` ``[size]``.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)

    label = torch.arange(size) % classes
    count = torch.randint(2, longest + 1, (size,), generator=generator)
    count[:2] = torch.tensor([1, longest])[:size]
    real = torch.arange(longest) < count[:, None]
    share = torch.where(real, uniform(size, longest).pow(3) + 1e-4, 0.0)
    share = (share / share.sum(1, keepdim=True)).sort(1, descending=True).values
    pt = share * uniform(size, 1, low=550.0, high=650.0)
    prongs = uniform(size, 3, 2, low=-0.5, high=0.5) * (label / max(1, classes - 1))[:, None, None]
    which = torch.randint(3, (size, longest), generator=generator)
    spread = 0.06 * torch.randn((size, longest, 2), generator=generator, dtype=torch.float64)
    angles = torch.gather(prongs, 1, which[..., None].expand(-1, -1, 2)) + spread
    eta = angles[..., 0] + uniform(size, 1, low=-1.5, high=1.5)
    phi = angles[..., 1] + uniform(size, 1, low=-3.1, high=3.1)
    momenta = torch.stack([pt * torch.cosh(eta), pt * torch.cos(phi), pt * torch.sin(phi), pt * torch.sinh(eta)], -1)
    particles = torch.where(real[..., None], momenta, 0.0).to(torch.float32)
    return {"particles": particles, "axis": particles.sum(1), "label": label}


def synthetic(spec: TensorSpec, classes: int, size: int, seed: int) -> dict[str, Tensor]:
    """Return such jets with the components that a network takes, and their labels.

    Parameters
    ----------
    spec
        The set: its columns are components of four-momenta, in GeV.
    classes
        Number of classes.
    size, seed
        Number of jets, seed of everything.

    Raises
    ------
    ModelError
        If a column is no component of a four-momentum.
    """
    made = jets(size, seed, classes=classes)
    particles = made["particles"].double()
    have = {name: particles[..., number].numpy() for number, name in enumerate(("E", "px", "py", "pz"))}
    unknown = [name for name in spec.columns if needed(name, have) is None]
    if unknown:
        raise ModelError(f"{spec.name}: no synthetic values for {', '.join(unknown)}; give the model an `example`")
    values = torch.stack([torch.as_tensor(derive(name, have)) for name in spec.columns], -1)
    real = particles[..., :1] > 0
    return {spec.name: torch.where(real, values, 0.0).float(), "label": made["label"]}
