"""Stable particles as they come from a generator: what a detector sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

__all__ = ["Particles"]


@dataclass(frozen=True)
class Particles:
    """Stable particles of an event, or of several.

    Parameters
    ----------
    pdg
        PDG codes ``[n]`` int64.
    charge
        In units of the positron's, ``[n]`` float64.
    momentum
        px, py, pz in GeV, ``[n, 3]`` float64.
    energy
        In GeV, ``[n]`` float64.
    vertex
        Where they are made: x, y, z in metres, ``[n, 3]`` float64.
    """

    pdg: np.ndarray
    charge: np.ndarray
    momentum: np.ndarray
    energy: np.ndarray
    vertex: np.ndarray

    def __len__(self) -> int:
        return len(self.pdg)

    def __getitem__(self, chosen: np.ndarray) -> Particles:
        """Return some of the particles, by positions or by a mask."""
        return Particles(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Particles]) -> Particles:
        """Return the particles of several interactions."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))
