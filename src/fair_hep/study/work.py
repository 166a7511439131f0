"""What is explained of sets and how, and every data set of the file that holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..models.contract import Model
from .relevances import ELEMENTS, NOTHING, Column
from .runtimes import Graph

if TYPE_CHECKING:
    from torch import Tensor

    from ..provenance.configuration import ExplainRules

__all__ = ["Columns", "Work", "layout"]


#: Gives further columns of some examples: of the raw inputs by name, and of what ``features`` makes of them, in turn
#: ``[examples, elements, ...]``.
Columns = Callable[[Mapping[str, "Tensor"], Sequence["Tensor"]], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Work:
    """Everything that explaining takes; it can be sent to another process.

    Parameters
    ----------
    model, network
        The network in evaluation mode, and what is known of it.
    dataset, indices
        Which examples; each must have an element.
    target
        Weights of the explained combination of outputs.
    settings
        Composite, biases, epsilon, batch size and precision.
    further, columns
        Data sets that a recipe adds to `layout`, and the function of a module that computes them.
    carried
        Arrays of a batch that go into further data sets as they are: their names by those of the data sets.
    graph
        What explains; None: the engine.
    """

    model: Model
    network: Any
    dataset: Any
    indices: Sequence[int]
    target: Sequence[float]
    settings: ExplainRules
    further: Mapping[str, Column] = field(default_factory=dict)
    columns: Columns | None = None
    carried: Mapping[str, str] = field(default_factory=dict)
    graph: Graph | None = None

    @property
    def layout(self) -> dict[str, Column]:
        """Every data set of the file."""
        return {**layout(self.model), **self.further}


def layout(model: Model) -> dict[str, Column]:
    """Return every data set that the file of a network on sets has; a recipe may add to them."""
    columns, features = ", ".join(model.inputs[0].columns), ", ".join(model.features.columns)
    outputs, share = (
        ", ".join(model.outputs[0].columns),
        "sum over channels of |R|, divided by its sum over the example",
    )
    return {
        "example/index": Column("[examples] position in the test split"),
        "example/label": Column("[examples] class: " + ", ".join(map(" ".join, _numbered(model.outputs[0].columns)))),
        ELEMENTS: Column("[examples] number of real elements: each has a row in element/* and edge*/*"),
        "example/outputs": Column(f"[examples, outputs] raw outputs of the network: {outputs}"),
        "example/explained": Column("[examples] what is explained, f"),
        "ledger/inputs": Column("[examples] sum of the relevance of all elements and features"),
        "ledger/bias": Column("[examples] relevance that biases took"),
        "ledger/epsilon": Column("[examples] relevance that the stabiliser took"),
        "ledger/lost": Column("[examples] relevance that empty denominators dropped"),
        "ledger/error": Column(
            "[examples] |f - inputs - bias - epsilon - lost| / (|f| + sum |R_input| + sum |R_bias terms|)"
        ),
        "element/input": Column(f"[elements, columns] raw input: {columns}", ELEMENTS),
        "element/relevance": Column(f"[elements, features] relevance, in the unit of f: {features}", ELEMENTS),
        "edge{place}/neighbour": Column(
            "[elements, k] the other end of each edge, as position in its example; -1: no edge", ELEMENTS, NOTHING
        ),
        "edge{place}/share": Column(f"[elements, k] {share} and place", ELEMENTS),
        "edge{place}/relevance": Column("[elements, k] sum over channels of R, in the unit of f", ELEMENTS),
    }


def _numbered(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    return ((str(number), name) for number, name in enumerate(names))
