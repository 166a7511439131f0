"""The account of one explanation as the sum that it is, for figures and pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["account", "probability", "uncertain"]

#: Parts of a ledger besides the relevance, in words.
_TAKEN = {"bias": "bias", "epsilon": "stabiliser", "lost": "lost"}
#: Ends of probabilities that are shown.
_ENDS = (0.001, 0.999)


def account(row: Mapping[str, Any], *, digits: int = 2) -> str:
    """Return what is explained as a sum of relevance and of what biases, stabiliser and empty denominators took.

    A part that would be shown as zero is left out.

    Parameters
    ----------
    row
        One row of a file of relevances: ``example/explained`` and ``ledger/*``.
    digits
        Digits behind the point.

    Examples
    --------
    >>> parts = {"ledger/inputs": 0.61, "ledger/bias": 2.95, "ledger/epsilon": -1e-7, "ledger/lost": 0.0}
    >>> account({"example/explained": 3.56, **parts})
    '3.56 = 0.61 (relevance) + 2.95 (bias)'
    """
    total, inputs = float(row["example/explained"]), float(row["ledger/inputs"])
    text = f"{total:.{digits}f} = {inputs:.{digits}f} (relevance)"
    for name, word in _TAKEN.items():
        value = float(row[f"ledger/{name}"])
        if round(abs(value), digits):
            text += f" {'-' if value < 0 else '+'} {abs(value):.{digits}f} ({word})"
    return text


def probability(row: Mapping[str, Any]) -> str:
    """Return the probability of the last class, the softmax of ``example/outputs``, not rounded to certainty.

    Examples
    --------
    >>> probability({"example/outputs": np.array([0.0, 0.0])}), probability({"example/outputs": np.array([9.0, 0.0])})
    ('0.500', '< 0.001')
    """
    outputs = row["example/outputs"].astype(np.float64)
    odds = np.exp(outputs - outputs.max())
    return uncertain(float(odds[-1] / odds.sum()))


def uncertain(value: float) -> str:
    """Return a probability with three digits, not rounded to certainty.

    Examples
    --------
    >>> uncertain(0.25), uncertain(0.9999)
    ('0.250', '> 0.999')
    """
    low, high = _ENDS
    return f"< {low}" if value < low else f"> {high}" if value > high else f"{value:.3f}"
