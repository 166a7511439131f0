"""Whether the explained graph says in ONNX Runtime what the engine says in PyTorch, and whether its ledger closes.

Relevance is a quotient at every layer: where an output of a layer nearly vanishes, single precision doesn't determine
it, whatever computes it. So the engine explains in double precision too. An example whose relevances single precision
moves by more than half the tolerance is counted, and the others must agree.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ..errors import BundleError
from ..explain.ledger import TOLERANCE
from ..runtime import session
from .explained import LEDGER, RELEVANCE, TARGET, Explained, explained_inputs, explained_outputs
from .parity import Parity, difference, double_precision, shapes

if TYPE_CHECKING:
    from ..bundle import Relevance, Signature
    from ..models.contract import Model

__all__ = ["by_pair", "compare_explained", "default_target", "ledger_error", "unsteady"]

Arrays = Mapping[str, np.ndarray]


def compare_explained(
    model: Model, network: nn.Module, graph: Path, signature: Signature, arrays: Arrays
) -> list[Parity]:
    """Compare relevances of nodes and edges at several shapes, and close the ledger of every example.

    Parameters
    ----------
    model, network
        What is explained, in PyTorch.
    graph
        The explained graph.
    signature
        Inputs, and how relevances are made: rules, target, tolerance.
    arrays
        Real examples.

    Raises
    ------
    BundleError
        If relevances differ by more, or a ledger stays open.
    """
    assert signature.explained is not None
    how = signature.explained.how
    opened = session(graph)
    names = [value.name for value in opened.get_outputs()]
    exact = copy.deepcopy(network).double()
    found = []
    for case, batch in shapes(signature.inputs, arrays):
        weights = default_target(model, how.target, next(iter(batch.values())))
        given = {**batch, TARGET: weights}
        theirs = dict(zip(names, opened.run(names, given), strict=True))
        ours = _engine(model, network, how, given, names)
        with double_precision():
            true = _engine(model, exact, how, {k: v.astype(np.float64) for k, v in given.items()}, names)
        found.append(_compared(case, theirs, ours, true, how.tolerance))
        error = ledger_error(theirs, weights, [spec.name for spec in model.outputs])
        if not error <= TOLERANCE[torch.float32]:
            raise BundleError(f"{graph.name}: a ledger stays open by {error:.1e} ({case}): raise explain.epsilon")
    worst = max(found, key=lambda parity: parity.largest)
    if not worst.largest <= how.tolerance:
        raise BundleError(
            f"{graph.name}: relevances differ from PyTorch's by {worst.largest:.2g} of the largest ({worst.case}), "
            f"expected at most {how.tolerance:g}; a lower export.opset may help, else raise explain.epsilon"
        )
    return found


def unsteady(model: Model, network: nn.Module, how: Relevance, arrays: Arrays) -> list[int]:
    """Return the examples whose relevances single precision doesn't determine within half the tolerance."""
    given = {**arrays, TARGET: default_target(model, how.target, next(iter(arrays.values())))}
    names = [spec.name for spec in explained_outputs(model)]
    single = _engine(model, network, how, given, names)
    with double_precision():
        exact = copy.deepcopy(network).double()
        double = _engine(model, exact, how, {k: v.astype(np.float64) for k, v in given.items()}, names)
    return [int(number) for number in np.flatnonzero(_apart(single, double) > how.tolerance / 2)]


def default_target(model: Model, target: Sequence[float], values: np.ndarray) -> np.ndarray:
    """Return the weights of what is explained for every example of a batch, and for each of its elements."""
    spec = explained_inputs(model)[-1]
    shape = [size for size, axis in zip(values.shape, spec.axes, strict=False) if axis in spec.dynamic]
    return np.broadcast_to(np.asarray(target, values.dtype), (*shape, len(target))).copy()


def ledger_error(outputs: Arrays, weights: np.ndarray, names: Sequence[str]) -> float:
    """Return the largest relative error of the ledgers of a batch, from what a graph gave."""
    count = len(weights)
    raw = np.concatenate([outputs[name] for name in names], -1).astype(np.float64)
    explained = (raw * weights).reshape(count, -1).sum(1)
    inputs = outputs[RELEVANCE].astype(np.float64).reshape(count, -1).sum(1)
    *taken, scale = outputs[LEDGER].T
    missing = np.abs(explained - inputs - np.sum(taken, axis=0))
    return float((missing / np.maximum(scale, np.finfo(np.float64).tiny)).max(initial=0.0))


def by_pair(index: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort the edges of every element by neighbour: slots of near-ties may be swapped, pairs may not."""
    order = np.argsort(index, axis=-1, kind="stable")
    ordered = np.take_along_axis(index, order, -1)
    return ordered, np.where(ordered >= 0, np.take_along_axis(values, order, -1), 0.0)


def _engine(model: Model, network: nn.Module, how: Relevance, given: Arrays, names: Sequence[str]) -> Arrays:
    with Explained(model, network, how) as explained:
        values = explained(*(torch.from_numpy(np.ascontiguousarray(value)) for value in given.values()))
    # Edges come last: whoever doesn't name them doesn't want them.
    return {name: value.numpy() for name, value in zip(names, values, strict=False)}


def _compared(case: str, theirs: Arrays, ours: Arrays, true: Arrays, tolerance: float) -> Parity:
    apart, doubtful = _apart(theirs, ours), _apart(ours, true) > tolerance / 2
    for name in [name for name in ours if name.endswith("_index")]:
        signed = name.replace("_index", "_relevance")
        pairs = [by_pair(each[name], each[signed]) for each in (theirs, ours, true)]
        doubtful |= np.logical_or.reduce([_differs(pairs[1][0], other[0]) for other in (pairs[0], pairs[2])])
        edges = [{RELEVANCE: values} for _, values in pairs]
        apart = np.maximum(apart, _apart(edges[0], edges[1]))
        doubtful |= _apart(edges[1], edges[2]) > tolerance / 2
    largest = [float(apart[chosen].max(initial=0.0)) for chosen in (~doubtful, doubtful)]
    return Parity(f"explained: {case}", len(apart), largest[0], int(doubtful.sum()), largest[1])


def _apart(given: Arrays, wanted: Arrays) -> np.ndarray:
    """Return the largest difference of every example, as a fraction of its largest relevance."""
    size = np.abs(wanted[RELEVANCE]).reshape(len(wanted[RELEVANCE]), -1).max(1, initial=0.0).astype(np.float64)
    scale = np.where(size > 0, size, 1.0).reshape(-1, *[1] * (wanted[RELEVANCE].ndim - 1))
    return difference(given[RELEVANCE] / scale, wanted[RELEVANCE] / scale, [len(size)])


def _differs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first != second).reshape(len(first), -1).any(1)
