"""Means over examples with their errors, as JSON values: None where nothing was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["by_class", "finite", "spread"]


def by_class(rows: np.ndarray, chosen: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return mean and error of the mean over the examples of every class; examples with NaN don't count.

    Parameters
    ----------
    rows
        ``[examples, columns]``.
    chosen
        By class, which examples are of it ``[examples]``.
    """
    result = {}
    for name, examples in chosen.items():
        mean, error = _mean(rows[examples])
        result[name] = {"mean": finite(mean), "error": finite(error)}
    return result


def spread(rows: np.ndarray) -> np.ndarray:
    """Return the standard deviation of every column; NaN for a single row, which has none."""
    found: np.ndarray = rows.std(0, ddof=1) if len(rows) > 1 else np.full(rows.shape[1], np.nan)
    return found


def finite(values: np.ndarray) -> list[float | None]:
    """Return values as JSON has them."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _mean(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    usable = rows[np.isfinite(rows).all(1)]
    if len(usable) == 0:
        return np.full(rows.shape[1], np.nan), np.full(rows.shape[1], np.nan)
    return usable.mean(0), spread(usable) / np.sqrt(len(usable))
