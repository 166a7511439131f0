"""Edges of a set in a plane: darker and wider the more relevance they carry."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["draw_edges"]

#: Edges that are drawn, from the most relevant down: more would hide each other.
DRAWN = 150


def draw_edges(panel: Any, angles: np.ndarray, neighbour: np.ndarray, share: np.ndarray) -> None:
    """Draw the edges of one set into a panel.

    Parameters
    ----------
    panel
        Axes of Matplotlib.
    angles
        Where the elements are, ``[elements, 2]``.
    neighbour, share
        Neighbours of every element, -1 where there is none, and the weight of each edge: ``[elements, k]``.
    """
    from matplotlib.collections import LineCollection

    here, slot = np.nonzero((neighbour >= 0) & (neighbour != np.arange(len(neighbour))[:, None]))
    if len(here) == 0:
        return
    weight = share[here, slot]
    order = np.argsort(weight)[-DRAWN:]
    here, there = here[order], neighbour[here, slot][order]
    strength = weight[order] / max(float(weight.max()), 1e-30)
    lines = np.stack([angles[here], angles[there]], 1)
    colours = np.zeros((len(lines), 4))
    colours[:, 3] = 0.04 + 0.8 * strength
    panel.add_collection(LineCollection(list(lines), colors=colours, linewidths=0.3 + 1.9 * strength, zorder=1))
