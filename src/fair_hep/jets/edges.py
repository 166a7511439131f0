"""What the most relevant edges of a jet are like: whether they join two prongs, how far they reach, how heavy they are.

The measures are those of Mokhtar, Kansal and Duarte, arXiv:2211.09912. An edge leads from a constituent to one of its
neighbours; it is first order in its block (one hop), not a walk through several blocks.
"""

from __future__ import annotations

import numpy as np

from ..bundle.quantities import difference_in_phi
from ..study.relevances import Relevances
from .subjets import NONE

__all__ = ["angle_and_mass", "between", "top_edges"]


def top_edges(part: Relevances, block: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the most relevant edges of every jet, by the share of |R|.

    Returns
    -------
    here, there, exists
        Positions of both ends ``[jets, count]`` from the most relevant edge down, and which of them exist.
    """
    neighbour, share, _ = part.edges(block)
    jets, _, k = neighbour.shape
    flat = np.where(neighbour >= 0, share, -1.0).reshape(jets, -1)
    if flat.shape[1] < count:
        flat = np.pad(flat, [(0, 0), (0, count - flat.shape[1])], constant_values=-1.0)
    order = np.argsort(-flat, axis=1, kind="stable")[:, :count]
    exists = np.take_along_axis(flat, order, 1) >= 0
    order = np.where(exists, order, 0)
    return order // k, np.where(exists, np.take_along_axis(neighbour.reshape(jets, -1), order, 1), 0), exists


def between(part: Relevances, block: int, sides: np.ndarray, most: int = 15) -> np.ndarray:
    """Return the fraction of the N most relevant edges that join two different sides, N = 1 to ``most``.

    Parameters
    ----------
    part
        Relevances of some jets.
    block
        Place of the edges.
    sides
        What each constituent belongs to ``[jets, constituents]``: a subjet, a prong, a quark; `NONE` for nothing. An
        edge with an end that belongs to nothing joins no two sides, but counts as an edge.
    most
        Largest N.

    Returns
    -------
    fraction
        ``[jets, most]``; NaN for jets in which nothing belongs to anything, or which have no edge. A jet with fewer
        than N edges counts with those that it has.
    """
    here, there, exists = top_edges(part, block, most)
    one, other = np.take_along_axis(sides, here, 1), np.take_along_axis(sides, there, 1)
    joined = np.cumsum((one != other) & (one != NONE) & (other != NONE) & exists, axis=1)
    number = np.cumsum(exists, axis=1)
    usable = (sides != NONE).any(1)[:, None] & (number > 0)
    return np.where(usable, joined / np.maximum(number, 1), np.nan)


def angle_and_mass(part: Relevances, block: int, momenta: np.ndarray, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return Delta R and the invariant mass of the most relevant edges, each ``[jets, count]``; NaN: no edge.

    Parameters
    ----------
    part
        Relevances of some jets.
    block
        Place of the edges.
    momenta
        ``[jets, constituents, 4]``: E, px, py, pz; the mass has their unit.
    count
        Number of edges.
    """
    here, there, exists = top_edges(part, block, count)
    angles = part["element/angles"].astype(np.float64)
    first, second = (np.take_along_axis(momenta, ends[..., None], 1) for ends in (here, there))
    one, other = (np.take_along_axis(angles, ends[..., None], 1) for ends in (here, there))
    total = first + second
    squared = total[..., 0] ** 2 - (total[..., 1:] ** 2).sum(-1)
    distance = np.hypot(one[..., 0] - other[..., 0], difference_in_phi(one[..., 1], other[..., 1]))
    mass = np.sqrt(np.maximum(squared, 0.0))
    return np.where(exists, distance, np.nan), np.where(exists, mass, np.nan)
