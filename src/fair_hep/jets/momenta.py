"""Four-momenta of a jet's constituents, from whatever columns a network takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..bundle.quantities import KNOWN, derive, needed

__all__ = ["COMPONENTS", "four_momenta", "gives_momenta"]

COMPONENTS = ("E", "px", "py", "pz")


def four_momenta(values: np.ndarray, columns: Sequence[str]) -> np.ndarray:
    """Return E, px, py, pz ``[..., 4]`` of rows ``[..., columns]``, whose columns are energies, momenta or angles."""
    have = {name: values[..., number] for number, name in enumerate(columns)}
    return np.stack([derive(name, have) for name in COMPONENTS], -1)


def gives_momenta(columns: Sequence[str]) -> bool:
    """Say whether columns give four-momenta.

    Examples
    --------
    >>> gives_momenta(["pt", "eta", "phi", "m"]), gives_momenta(["pt", "eta", "phi"])
    (True, False)
    """
    return all(needed(name, KNOWN & set(columns)) is not None for name in COMPONENTS)
