"""What is derived of raw inputs: sums of four-momenta, numbers of elements, values of each; numpy only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .domain import Quantity
from .errors import DataError
from .quantities import KNOWN, derive, difference_in_phi, needed
from .signature import TensorSpec

__all__ = ["MOMENTUM", "Elements", "derivable", "derived_values"]

Floats = NDArray[np.float64]
#: Components of a four-momentum.
MOMENTUM = ("E", "px", "py", "pz")
#: What can be asked of each element with a four-momentum.
_OF_EACH: Mapping[str, Callable[[Mapping[str, np.ndarray]], np.ndarray]] = {
    "pt": lambda have: derive("pt", have),
    "abs_eta": lambda have: np.abs(derive("eta", have)),
    "mass": lambda have: derive("m", have),
    "energy": lambda have: derive("E", have),
}


class Elements:
    """The real elements of some examples, one after the other: a row of zeros is padding.

    Parameters
    ----------
    spec
        The input that they are of: a set ``[examples, elements, columns]``, or one row ``[examples, columns]``.
    values
        A padded array.
    """

    def __init__(self, spec: TensorSpec, values: np.ndarray) -> None:
        self.spec = spec
        sets = values if values.ndim == 3 else values[:, np.newaxis]
        # Without a set there is one row for each example, whatever it holds.
        real = (sets != 0).any(-1) if spec.set_axis else np.ones(sets.shape[:2], bool)
        self.counts = real.sum(1)
        self.rows: Floats = sets[real].astype(np.float64)

    @cached_property
    def example(self) -> NDArray[np.integer]:
        """Number of the example of every row."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @cached_property
    def filled(self) -> NDArray[np.integer]:
        """Numbers of the examples that have elements."""
        return np.flatnonzero(self.counts)

    @cached_property
    def starts(self) -> NDArray[np.integer]:
        """First row of every example that has elements."""
        return (np.cumsum(self.counts) - self.counts)[self.filled]

    @cached_property
    def columns(self) -> Mapping[str, Floats]:
        """The rows by the names of the columns."""
        return {name: self.rows[:, number] for number, name in enumerate(self.spec.columns)}

    @cached_property
    def momenta(self) -> Mapping[str, Floats]:
        """Components of the elements' four-momenta."""
        return {name: derive(name, self.columns) for name in MOMENTUM}

    @cached_property
    def sums(self) -> Mapping[str, Floats]:
        """Components of the sum of each example's four-momenta."""
        size = len(self.counts)
        return {name: np.bincount(self.example, v, size).astype(np.float64) for name, v in self.momenta.items()}

    def lowest(self, values: np.ndarray) -> np.ndarray:
        """Return the lowest of each filled example's values ``[rows]``."""
        return np.minimum.reduceat(values, self.starts) if len(self.starts) else values[:0]

    def highest(self, values: np.ndarray) -> np.ndarray:
        """Return the highest of each filled example's values ``[rows]``."""
        return np.maximum.reduceat(values, self.starts) if len(self.starts) else values[:0]

    def reach(self) -> Floats:
        """Return the largest Delta R of an element from the axis of its example; 0 where there is none.

        In rapidity, as jets are clustered: the pseudorapidity of a slow proton may be far from its jet's.
        """
        away = _rapidity(self.momenta) - _rapidity(self.sums)[self.example]
        turn = difference_in_phi(derive("phi", self.momenta), derive("phi", self.sums)[self.example])
        found = np.zeros(len(self.counts))
        found[self.filled] = self.highest(np.hypot(away, turn))
        return found


def _rapidity(momenta: Mapping[str, Floats]) -> Floats:
    """Return rapidities; those of what is no particle (E below its pz) end at 8."""
    slope = momenta["pz"] / np.maximum(momenta["E"], 1e-30)
    return np.asarray(np.arctanh(np.clip(slope, -np.tanh(8.0), np.tanh(8.0))))


def derivable(quantity: Quantity, spec: TensorSpec) -> bool:
    """Say whether a quantity can be derived of an input: its words are known, and the columns give it."""
    if len(spec.axes) not in (2, 3) or not spec.columns or quantity.input != spec.name:
        return False
    kinematic = all(needed(name, set(spec.columns) & KNOWN) is not None for name in MOMENTUM)
    if quantity.of == "sum":
        return kinematic and quantity.value in (*_OF_EACH, "reach")
    if quantity.of == "each":
        return quantity.value in spec.columns or (kinematic and quantity.value in _OF_EACH)
    return quantity.of == "length" and spec.set_axis is not None


def derived_values(quantity: Quantity, elements: Elements) -> Floats:
    """Return the values of a quantity: ``[examples]``, or ``[rows]`` for each element.

    Raises
    ------
    DataError
        If it can't be derived of these elements.
    """
    if not derivable(quantity, elements.spec):
        raise DataError(
            f"domain: {quantity.name} (of {quantity.of} {quantity.value}) can't be derived of the input "
            f"{elements.spec.name} with columns {', '.join(elements.spec.columns)}; see fair_hep.bundle.domain.Quantity"
        )
    if quantity.of == "length":
        return elements.counts.astype(np.float64)
    if quantity.of == "sum":
        return elements.reach() if quantity.value == "reach" else _OF_EACH[quantity.value](elements.sums)
    if quantity.value in elements.columns:
        return elements.columns[quantity.value]
    return _OF_EACH[quantity.value](elements.momenta)
