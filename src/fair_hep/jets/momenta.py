"""Four-momenta of a jet's constituents, from whatever columns a network takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..bundle.quantities import derive

__all__ = ["COMPONENTS", "four_momenta"]

COMPONENTS = ("E", "px", "py", "pz")


def four_momenta(values: np.ndarray, columns: Sequence[str]) -> np.ndarray:
    """Return E, px, py, pz ``[..., 4]`` of rows ``[..., columns]``, whose columns are energies, momenta or angles."""
    have = {name: values[..., number] for number, name in enumerate(columns)}
    return np.stack([derive(name, have) for name in COMPONENTS], -1)
