"""What a bundle says of where its model is valid: quantities of an example, and the range of each in training.

A quantity is described in a closed vocabulary, so that `derived` computes it from raw inputs without the recipe. A
reader leaves out quantities whose words it doesn't know: the vocabulary may grow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from pydantic import Field

from .strict import Strict

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LEVELS", "Of", "Quantity", "Trained", "jet_quantities", "trained"]

#: Levels of the quantiles that a bundle tells.
LEVELS = (0.0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1.0)
#: How many of the most extreme values say how far apart values lie at an end of the range.
EXTREMES = 10
#: What a quantity is of: the sum of four-momenta, the number of elements, or each element by itself.
Of: TypeAlias = Literal["sum", "length", "each"]


class Quantity(Strict):
    """What is derived of an example.

    ``of: sum`` adds the four-momenta of all elements; its values are ``pt``, ``abs_eta``, ``mass``, ``energy`` and
    ``reach``, the largest Delta R (in rapidity) of an element from the axis. ``of: length`` counts the elements. ``of:
    each`` has a value for each element: a column, or ``pt``, ``abs_eta`` and the like where the columns are
    four-momenta.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="in names of metrics and columns")
    title: str = Field(min_length=1, description="what a reader calls it")
    unit: str = Field("1", description="1 where it has no dimension")
    input: str = Field(description="name of the input that it is derived from")
    of: str = Field(description="sum, length or each; a reader leaves out others")
    value: str = Field("", description="what of the sum or of each element")

    @property
    def single(self) -> bool:
        """Whether an example has one value; of each element there are many."""
        return self.of != "each"


class Trained(Quantity):
    """A quantity with its range in the training data.

    What lies beyond the ``edges`` is outside. They are the extreme values, widened by the distance to the tenth most
    extreme one: another example of the same kind lies beyond with a chance of about a tenth of one in ``count``,
    however long the tail.
    """

    edges: tuple[float, float] = Field(description="lowest and highest value that count as known")
    quantiles: tuple[tuple[float, float], ...] = Field((), description="levels and their values in the training data")
    count: int = Field(ge=1, description="values that this is drawn from")

    def range_text(self) -> str:
        """Return the edges for a human.

        Examples
        --------
        >>> values = np.linspace(550.0, 650.0, 1001)
        >>> trained(jet_quantities("particles")[0], values).range_text()
        '549.1 to 650.9 GeV'
        """
        return f"{self.edges[0]:.4g} to {self.edges[1]:.4g}{self.unit_text}"

    @property
    def unit_text(self) -> str:
        """The unit behind a number, with a blank before it; nothing where there is none."""
        return "" if self.unit == "1" else f" {self.unit}"


def jet_quantities(name: str = "particles", elements: str = "constituents") -> tuple[Quantity, ...]:
    """Return what is usually derived of a jet: pT, |eta|, mass, number and reach of its constituents."""
    described = (
        ("jet_pt", "jet pT", "GeV", "sum", "pt"),
        ("jet_abs_eta", "jet |eta|", "1", "sum", "abs_eta"),
        ("jet_mass", "jet mass", "GeV", "sum", "mass"),
        ("constituents", f"number of {elements}", "1", "length", ""),
        ("jet_reach", "largest Delta R from the jet axis", "1", "sum", "reach"),
    )
    return tuple(
        Quantity(name=key, title=title, unit=unit, input=name, of=of, value=value)
        for key, title, unit, of, value in described
    )


def trained(quantity: Quantity, values: NDArray[np.floating]) -> Trained:
    """Return a quantity with the range of its values in the training data.

    Parameters
    ----------
    quantity
        What it is.
    values
        ``[examples]`` or, for each element, ``[elements of all examples]``; at least one.

    Raises
    ------
    ValueError
        If there are no values, or some aren't finite.
    """
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(f"{quantity.title}: got {len(values)} values, not all finite; expected some, all finite")
    ordered = np.sort(np.asarray(values, np.float64))
    low, high = float(ordered[0]), float(ordered[-1])
    next_ = min(EXTREMES, len(ordered)) - 1
    edges = (low - float(ordered[next_] - low), high + float(high - ordered[-1 - next_]))
    # What counts or is an absolute value has a natural end, which training reaches as closely as it may.
    if quantity.of == "length":
        edges = (max(edges[0], 1.0), edges[1])
    elif low >= 0:
        edges = (max(edges[0], 0.0), edges[1])
    quantiles = tuple((level, float(value)) for level, value in zip(LEVELS, np.quantile(ordered, LEVELS), strict=True))
    return Trained(**quantity.model_dump(), edges=edges, quantiles=quantiles, count=len(ordered))
