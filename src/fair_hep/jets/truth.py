"""What the generator knows of a jet's constituents: which quark of the top's decay, or which side of a splitting.

Codes are those of the data set (`ORIGINS`); the rules by which constituents are assigned are the generator's.
"""

from __future__ import annotations

import numpy as np

from ..data.toptag import ORIGINS
from .subjets import NONE

__all__ = ["judged", "of_decay", "sides"]

#: Quarks of the top's decay; where one of them is meant, but not which.
_DECAY, _SHARED = tuple(ORIGINS[name] for name in ("b", "q", "q'")), ORIGINS["shared"]
#: By code, to which side of its jet a constituent belongs: one of three quarks, or one of two sides of a splitting.
_SIDES = np.full(max(ORIGINS.values()) + 1, NONE, np.int8)
_SIDES[list(_DECAY)] = 0, 1, 2
_SIDES[[ORIGINS["first side"], ORIGINS["second side"]]] = 0, 1


def sides(origin: np.ndarray) -> np.ndarray:
    """Return to which side of its jet each constituent belongs, of the same shape as the codes; `NONE`: to no single.

    For a top jet these are the quarks b, q, q' of its decay; for a QCD jet the two sides of its leading splitting.

    Examples
    --------
    >>> sides(np.array([1, 2, 3, 4, 5, 6, 0])).tolist()
    [0, 1, 2, -1, 0, 1, -1]
    """
    found: np.ndarray = _SIDES[origin]
    return found


def of_decay(origin: np.ndarray) -> np.ndarray:
    """Return which constituents come from a single quark of the top's decay."""
    found: np.ndarray = np.isin(origin, _DECAY)
    return found


def judged(origin: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return which constituents ``[jets, constituents]`` can be right or wrong: all of a top jet but the ambiguous.

    Parameters
    ----------
    origin
        Codes.
    mask
        Constituents that exist.
    """
    decays = np.any(of_decay(origin), axis=1, keepdims=True)
    found: np.ndarray = mask & (origin != _SHARED) & decays
    return found
