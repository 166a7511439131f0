"""Where a model was trained: quantities of its training data, as the bundle tells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.derived import Elements, derived_values
from ..bundle.domain import Trained, trained
from ..bundle.errors import DataError

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from ..models.contract import Model

__all__ = ["MOST", "training_domain"]

#: Examples that are looked at, evenly; of each element's values, a part of them is enough.
MOST, MOST_OF_EACH = 100_000, 2_000
_BATCH = 512


def training_domain(model: Model, dataset: Dataset[Any]) -> list[Trained]:
    """Return the ranges of a model's quantities in the data that it learned from, as its loader gave them.

    Parameters
    ----------
    model
        What declares the quantities.
    dataset
        The training split.

    Raises
    ------
    DataError
        If a quantity can't be derived of its input, or isn't finite.
    """
    specs = {spec.name: spec for spec in model.inputs}
    quantities = tuple(model.domain())
    if unknown := [quantity.name for quantity in quantities if quantity.input not in specs]:
        raise DataError(f"domain: {', '.join(unknown)} is of an input that isn't there; inputs: {', '.join(specs)}")
    most = MOST if all(quantity.single for quantity in quantities) else MOST_OF_EACH
    values: list[list[np.ndarray]] = [[] for _ in quantities]
    for batch in _batches(dataset, most):
        elements = {q.input: Elements(specs[q.input], batch[q.input].numpy()) for q in quantities}
        for quantity, found in zip(quantities, values, strict=True):
            found.append(derived_values(quantity, elements[quantity.input]))
    try:
        return [trained(quantity, np.concatenate(found)) for quantity, found in zip(quantities, values, strict=True)]
    except ValueError as error:
        raise DataError(f"domain: {error}; look at the training split") from error


def _batches(dataset: Any, most: int) -> Iterator[Any]:
    size = len(dataset)
    chosen = np.unique(np.linspace(0, size - 1, min(size, most)).astype(int))
    return (dataset.__getitems__(chosen[start : start + _BATCH].tolist()) for start in range(0, len(chosen), _BATCH))
