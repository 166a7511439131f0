"""Whether the explained graph says in ONNX Runtime what the engine says in PyTorch, and whether its ledger closes.

Relevance is a quotient at every layer: where an output of a layer nearly vanishes, single precision doesn't determine
it, whatever computes it. So the engine explains in double precision too, and in single precision several times, with
weights that differ in their last digit, so that everything is rounded differently. An example whose relevances any of
these moves by more than half the tolerance is counted: two roundings, each half the tolerance away from what is exact,
may differ by all of it. The others must agree, and their ledgers must close.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ..bundle.errors import BundleError
from ..bundle.session import compute, session
from ..lrp.ledger import TOLERANCE
from ..tracing.explained import LEDGER, RELEVANCE, TARGET, Explained, explained_inputs, explained_outputs
from .parity import Parity, difference, double_precision, doubled, shapes

if TYPE_CHECKING:
    from ..bundle import Relevance, TensorSpec
    from ..models.contract import Model

__all__ = ["by_pair", "compare_explained", "default_target", "ledger_error", "unsteady"]

Arrays = Mapping[str, np.ndarray]

#: How often single precision is tried: one pass may hit the exact relevances by chance.
ROUNDINGS = 4


def compare_explained(
    model: Model, network: nn.Module, graph: Path, arrays: Arrays, *, inputs: Sequence[TensorSpec], how: Relevance
) -> list[Parity]:
    """Compare relevances of nodes and edges at several shapes, and close the ledger of every example.

    Parameters
    ----------
    model, network
        What is explained, in PyTorch.
    graph
        The explained graph.
    arrays
        Real examples.
    inputs
        What the graph takes, but for the target.
    how
        How relevances are made: rules, target, tolerance.

    Raises
    ------
    BundleError
        If relevances differ by more, a ledger stays open, or ONNX Runtime can't compute a shape.
    """
    opened = session(graph)
    names = [value.name for value in opened.get_outputs()]
    exact, roundings = copy.deepcopy(network).double(), _roundings(network)
    found = []
    for case, batch in shapes(inputs, arrays):
        weights = default_target(model, how.target, next(iter(batch.values())))
        given = {**batch, TARGET: weights}
        theirs = compute(opened, names, given)
        ours = [_engine(model, rounded, how, given, names) for rounded in roundings]
        with double_precision():
            true = _engine(model, exact, how, doubled(given), names)
        parity, steady = _compared(case, theirs, ours, true, how.tolerance)
        found.append(parity)
        determined = {name: values[steady] for name, values in theirs.items()}
        error = ledger_error(determined, weights[steady], [spec.name for spec in model.outputs])
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
    singles = [_engine(model, rounded, how, given, names) for rounded in _roundings(network)]
    with double_precision():
        exact = copy.deepcopy(network).double()
        double = _engine(model, exact, how, doubled(given), names)
    doubtful = _undetermined([_apart(single, double) for single in singles], how.tolerance)
    return [int(number) for number in np.flatnonzero(doubtful)]


def default_target(model: Model, target: Sequence[float], values: np.ndarray) -> np.ndarray:
    """Return the weights of what is explained for every example of a batch, and for each of its elements."""
    spec = explained_inputs(model)[-1]
    shape = [size for size, axis in zip(values.shape, spec.axes, strict=False) if axis in spec.dynamic]
    return np.broadcast_to(np.asarray(target, spec.dtype), (*shape, len(target))).copy()


def ledger_error(outputs: Arrays, weights: np.ndarray, names: Sequence[str]) -> float:
    """Return the largest relative error of the ledgers of a batch, from what a graph gave."""
    raw = np.concatenate([outputs[name] for name in names], -1).astype(np.float64)
    explained = _per_example(raw * weights)
    inputs = _per_example(outputs[RELEVANCE].astype(np.float64))
    *taken, scale = outputs[LEDGER].T
    missing = np.abs(explained - inputs - np.sum(taken, axis=0))
    return float((missing / np.maximum(scale, np.finfo(np.float64).tiny)).max(initial=0.0))


def _per_example(values: np.ndarray) -> np.ndarray:
    return values.sum(axis=tuple(range(1, values.ndim)))


def by_pair(index: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort the edges of every element by neighbour: slots of near-ties may be swapped, pairs may not."""
    order = np.argsort(index, axis=-1, kind="stable")
    ordered = np.take_along_axis(index, order, -1)
    return ordered, np.where(ordered >= 0, np.take_along_axis(values, order, -1), 0.0)


def _roundings(network: nn.Module) -> list[nn.Module]:
    """Return the network, and copies whose weights differ from its own by at most one rounding."""
    generator = torch.Generator().manual_seed(0)
    copies = [copy.deepcopy(network) for _ in range(ROUNDINGS - 1)]
    with torch.no_grad():
        for parameter in (parameter for each in copies for parameter in each.parameters()):
            signs = torch.randint(-1, 2, parameter.shape, generator=generator).to(parameter)
            parameter.mul_(1 + signs * torch.finfo(parameter.dtype).eps)
    return [network, *copies]


def _engine(model: Model, network: nn.Module, how: Relevance, given: Arrays, names: Sequence[str]) -> Arrays:
    with Explained(model, network, how) as explained:
        values = explained(*(torch.from_numpy(np.ascontiguousarray(value)) for value in given.values()))
    # Edges come last: whoever doesn't name them doesn't want them.
    return {name: value.numpy() for name, value in zip(names, values, strict=False)}


def _compared(
    case: str, theirs: Arrays, ours: Sequence[Arrays], true: Arrays, tolerance: float
) -> tuple[Parity, np.ndarray]:
    """Compare a graph's relevances with the engine's; say as well which examples single precision determines."""
    apart = _apart(theirs, ours[0])
    doubtful = _undetermined([_apart(each, true) for each in ours], tolerance)
    for name in [name for name in true if name.endswith("_index")]:
        signed = name.replace("_index", "_relevance")
        given, exact, *rounded = (by_pair(each[name], each[signed]) for each in (theirs, true, *ours))
        doubtful |= np.logical_or.reduce([_differs(given[0], other[0]) for other in (exact, *rounded)])
        apart = np.maximum(apart, _apart({RELEVANCE: given[1]}, {RELEVANCE: rounded[0][1]}))
        doubtful |= _undetermined([_apart({RELEVANCE: each[1]}, {RELEVANCE: exact[1]}) for each in rounded], tolerance)
    largest = [float(apart[chosen].max(initial=0.0)) for chosen in (~doubtful, doubtful)]
    return Parity(f"explained: {case}", len(apart), largest[0], int(doubtful.sum()), largest[1]), ~doubtful


def _undetermined(moved: Sequence[np.ndarray], tolerance: float) -> np.ndarray:
    """Say of every example whether single precision, tried several times, moves its relevances too far."""
    return np.logical_or.reduce([each > tolerance / 2 for each in moved])


def _apart(given: Arrays, wanted: Arrays) -> np.ndarray:
    """Return the largest difference of every example, as a fraction of its largest relevance."""
    size = np.abs(wanted[RELEVANCE]).reshape(len(wanted[RELEVANCE]), -1).max(1, initial=0.0).astype(np.float64)
    scale = np.where(size > 0, size, 1.0).reshape(-1, *[1] * (wanted[RELEVANCE].ndim - 1))
    return difference(given[RELEVANCE] / scale, wanted[RELEVANCE] / scale, [len(size)])


def _differs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first != second).reshape(len(first), -1).any(1)
