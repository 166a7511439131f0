"""Round what a sample holds, so that its files compress: a detector measures no sixteen digits."""

from __future__ import annotations

import numpy as np

__all__ = ["to_mantissa_bits"]


def to_mantissa_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """Round to a number of explicit bits of mantissa: the relative change is at most ``2 ** -(bits + 1)``.

    Examples
    --------
    >>> to_mantissa_bits(np.array([1.0, 1.3, 100.3]), 2).tolist()
    [1.0, 1.25, 96.0]
    """
    mantissa, exponent = np.frexp(values)
    result: np.ndarray = np.ldexp(np.rint(np.ldexp(mantissa, bits + 1)), exponent - bits - 1)
    return result
