"""Four-momenta from whatever components a file has: plain formulas, in double precision.

Pseudorapidity ``eta = asinh(pz / pt)``, mass ``m^2 = E^2 - p^2``. Angles in radians, all else in the unit of energy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

__all__ = ["ENERGIES", "KNOWN", "derive", "difference_in_phi", "needed"]

#: Quantities in the unit of energy; all that are known.
ENERGIES = frozenset({"E", "px", "py", "pz", "pt", "m"})
KNOWN = ENERGIES | {"eta", "phi"}

_Formula = tuple[tuple[str, ...], Callable[..., np.ndarray]]
_FORMULAS: Mapping[str, _Formula] = {
    "px": (("pt", "phi"), lambda pt, phi: pt * np.cos(phi)),
    "py": (("pt", "phi"), lambda pt, phi: pt * np.sin(phi)),
    "pz": (("pt", "eta"), lambda pt, eta: pt * np.sinh(eta)),
    "E": (("m", "px", "py", "pz"), lambda m, px, py, pz: np.sqrt(m**2 + px**2 + py**2 + pz**2)),
    "pt": (("px", "py"), np.hypot),
    "phi": (("py", "px"), np.arctan2),
    # A particle along the beam has pt = 0: its eta is large, not infinite.
    "eta": (("pz", "pt"), lambda pz, pt: np.arcsinh(pz / np.maximum(pt, 1e-30))),
    "m": (("E", "px", "py", "pz"), lambda e, px, py, pz: np.sqrt(np.maximum(e**2 - px**2 - py**2 - pz**2, 0.0))),
}


def needed(wanted: str, have: Iterable[str]) -> set[str] | None:
    """Return which of the quantities at hand give a wanted one; None if they don't.

    Examples
    --------
    >>> sorted(needed("E", ["pt", "eta", "phi", "m"]))
    ['eta', 'm', 'phi', 'pt']
    >>> needed("E", ["px", "py", "pz"]) is None
    True
    """
    return _needed(wanted, frozenset(have), frozenset())


def derive(wanted: str, have: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a quantity, as it is or by formula.

    Parameters
    ----------
    wanted
        One of `KNOWN`, or a name among ``have``.
    have
        Quantities at hand, which must give it (`needed`).
    """
    if wanted in have:
        return have[wanted]
    inputs, formula = _FORMULAS[wanted]
    return formula(*(derive(name, have) for name in inputs))


def difference_in_phi(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return ``first - second`` in [-pi, pi)."""
    turned: np.ndarray = (first - second + np.pi) % (2 * np.pi) - np.pi
    return turned


def _needed(wanted: str, have: frozenset[str], asked: frozenset[str]) -> set[str] | None:
    if wanted in have:
        return {wanted}
    if wanted in asked or wanted not in _FORMULAS:
        return None
    found: set[str] = set()
    for name in _FORMULAS[wanted][0]:
        part = _needed(name, have, asked | {wanted})
        if part is None:
            return None
        found |= part
    return found
