"""Stored inputs of a third-party graph, and what ONNX Runtime answers: twice the same, together and one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ... import bundle
from ...bundle.errors import BundleError, DataError
from ...bundle.inputs import pad

if TYPE_CHECKING:
    from ...bundle import TensorSpec
    from ...bundle.runtime import LoadedModel

__all__ = ["MOST", "Arrays", "answers", "check_counts", "read_inputs"]

Arrays = dict[str, np.ndarray]
#: Examples that are stored, at most: a bundle shows that it works, it is no data set.
MOST = 1000
#: The largest fraction of examples whose answers may hang on rounding.
FEW = 0.1


def read_inputs(path: Path, specs: Sequence[TensorSpec]) -> Arrays:
    """Read examples from an ``.npz`` file: one array for each input, the examples along the first axis.

    Raises
    ------
    DataError
        If the file can't be read, an input is missing, or values don't fit; the line says which.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected an .npz with an array for each input")
    try:
        given = bundle.read_arrays(path)
    except BundleError as error:
        raise DataError(f"{path.name}: not an .npz file of plain arrays that can be read") from error
    names = [spec.name for spec in specs]
    if set(given) != set(names):
        raise DataError(f"{path.name}: got {', '.join(sorted(given)) or 'nothing'}, expected {', '.join(names)}")
    counts = {name: len(values) if values.ndim else 0 for name, values in given.items()}
    if len(set(counts.values())) != 1 or not 0 < min(counts.values()) <= MOST:
        raise DataError(f"{path.name}: got {counts} examples, expected the same number of each input, 1 to {MOST}")
    return {spec.name: pad(spec, list(given[spec.name])) for spec in specs}


def answers(model: LoadedModel, inputs: Arrays, tolerance: float) -> tuple[Arrays, list[int]]:
    """Return what the graph answers, and the examples whose answers hang on rounding.

    Such an example has other answers alone than among others, though nothing but the order of sums differs: a graph
    network may choose another of two neighbours that are equally near. Few may do so; else examples hang on each other.

    Raises
    ------
    BundleError
        If answers aren't finite, differ from call to call, or hang on what else is in the batch.
    """
    first, second, single = model.predict(inputs), model.predict(inputs), model.predict(inputs, batch=1)
    doubtful: set[int] = set()
    for name, values in first.items():
        if not np.isfinite(values).all():
            raise BundleError(f"{name}: got answers that aren't finite for the examples, expected finite ones")
        if not np.array_equal(values, second[name]):
            raise BundleError(f"{name}: two calls gave different answers; remove what is random from the graph")
        apart = _apart(values, single[name])
        doubtful |= set(np.flatnonzero(apart > tolerance).tolist())
        if len(doubtful) > FEW * len(values):
            raise BundleError(
                f"{name}: answers to one example alone and among others differ by {apart.max():.1g}, expected at most "
                f"{tolerance:g}: examples must not hang on each other"
            )
    return first, sorted(doubtful)


def _apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the largest difference of every example, relative where its values are above 1."""
    if one.shape != other.shape:
        return np.full(len(one), np.inf)
    wanted = one.astype(np.float64)
    apart = np.abs(wanted - other.astype(np.float64)) / np.maximum(np.abs(wanted), 1.0)
    return np.asarray(apart.reshape(len(one), -1).max(1, initial=0.0))


def check_counts(raw: Mapping[str, np.ndarray], count: int) -> None:
    """Refuse outputs whose first axis doesn't count the examples.

    Raises
    ------
    BundleError
        If there is one; the line names it.
    """
    for name, values in raw.items():
        if not isinstance(values, np.ndarray) or values.ndim == 0 or len(values) != count:
            got = f"shape {list(values.shape)}" if isinstance(values, np.ndarray) else type(values).__name__
            raise BundleError(
                f"{name}: got {got} for {count} examples, expected one entry for each along the first axis"
            )
