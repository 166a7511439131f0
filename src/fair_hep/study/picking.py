"""How well a ranking picks what is known to matter: the area under the curve of precision against recall."""

from __future__ import annotations

import numpy as np

__all__ = ["picked"]


def picked(ranking: np.ndarray, truth: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """Return the average precision of a ranking in every example.

    The precision is that of everything down to a value, the higher the better; its mean is taken over what is true,
    equal values at once: sum of (recall_n - recall_(n-1)) precision_n. A perfect ranking has 1, a random one on average
    about the share of what is true, and the worst one less.

    Parameters
    ----------
    ranking
        The highest is picked first, ``[examples, entries]``.
    truth
        What should be picked, likewise.
    judged
        Which entries count, likewise: what doesn't exist or isn't known is neither right nor wrong.

    Returns
    -------
    area
        ``[examples]``, NaN where nothing or everything that counts is true.
    """
    examples, entries = ranking.shape
    value = np.where(judged, ranking, -np.inf)
    order = np.argsort(-value, axis=1, kind="stable")
    value, right, counts = (np.take_along_axis(rows, order, 1) for rows in (value, truth & judged, judged))
    hits, taken = np.cumsum(right, axis=1), np.cumsum(counts, axis=1)
    # Of equal values the last one stands for all of them.
    following = np.column_stack([value[:, 1:], np.full(examples, np.nan)]) if entries else value
    last = np.where(value != following, np.arange(entries), entries)
    stop = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    stop = np.minimum(stop, max(0, entries - 1))
    precision = np.take_along_axis(hits, stop, 1) / np.maximum(np.take_along_axis(taken, stop, 1), 1)
    total = right.sum(1)
    area = (precision * right).sum(1) / np.maximum(total, 1)
    return np.where((total > 0) & (total < counts.sum(1)), area, np.nan)
