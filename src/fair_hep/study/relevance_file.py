"""Files of relevances: arrays that grow while examples are explained, each with its meaning beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..bundle.errors import ExplainError
from ..lrp.ledger import TOLERANCE

__all__ = ["append", "check_ledger", "padded", "widened"]


def append(file: Any, name: str, rows: np.ndarray, meaning: str) -> None:
    """Append rows to a data set of an open HDF5 file; make it the first time."""
    if name not in file:
        chunks = (max(1, 2**16 // max(1, int(np.prod(rows.shape[1:])) * rows.itemsize)), *rows.shape[1:])
        made = file.create_dataset(
            name, (0, *rows.shape[1:]), rows.dtype, maxshape=(None, *rows.shape[1:]), chunks=chunks, compression="gzip",
            compression_opts=1, shuffle=True,
        )  # fmt: skip
        made.attrs["meaning"] = meaning
    data = file[name]
    start = data.shape[0]
    data.resize(start + len(rows), axis=0)
    data[start:] = rows


def widened(values: np.ndarray, width: int, filler: int = 0) -> np.ndarray:
    """Pad ``[examples, elements, ...]`` to ``width`` elements."""
    pads = [(0, 0), (0, width - values.shape[1])] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values, pads, constant_values=filler)


def padded(rows: np.ndarray, mask: np.ndarray, filler: int = 0) -> np.ndarray:
    """Put the rows of all examples where a mask ``[examples, elements]`` holds."""
    result = np.full((*mask.shape, *rows.shape[1:]), filler, rows.dtype)
    result[mask] = rows
    return result


def check_ledger(error: float, precision: str) -> None:
    """Refuse relevances that don't add up to what is explained.

    Raises
    ------
    ExplainError
        If the largest error is a hundred times the tolerance: that isn't rounding.
    """
    import torch

    tolerance = TOLERANCE[getattr(torch, precision)]
    if not error <= 100 * tolerance:
        raise ExplainError(
            f"the ledger is open by {error:.1e}, expected at most {tolerance:.0e}: relevance went missing"
        )
