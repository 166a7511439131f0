"""Do two networks look at the same things? Their explanations of the same examples, compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..lrp.faithfulness import rank_correlation
from .passes import features_of, load
from .runtimes import Computed, Engine

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.contract import Model
    from ..provenance.configuration import ExplainRules

__all__ = ["agreement", "same_edges"]

#: Share of an example's edges that counts as its most relevant ones.
FOREMOST = 0.1
#: Elements of one pass, padding included.
ELEMENTS = 2000


def agreement(
    model: Model, networks: tuple[Any, Any], dataset: Any, indices: Sequence[int], rules: ExplainRules
) -> dict[str, Any]:
    """Compare what two networks explain of some examples.

    Parameters
    ----------
    model
        The recipe of both.
    networks
        In evaluation mode.
    dataset, indices
        Which examples.
    rules
        How both are explained; the precision is single.

    Returns
    -------
    found
        ``examples``; ``rank_correlation`` of elements: Spearman's, in the mean over examples with at least two, and
        ``rank_correlation_error``, that of the mean; ``same_edges`` and its error for each place with edges: which part
        of the foremost 10 % of one network's edges is among the other's.
    """
    import torch

    batch = load(dataset, list(indices))
    counts = (batch[model.inputs[0].name] != 0).any(-1).sum(1)
    found: dict[str, list[Tensor]] = {"rank_correlation": []}
    for rows in _passes(counts):
        inputs = {spec.name: batch[spec.name][rows] for spec in model.inputs if spec.name in batch}
        first, second = (_explained(model, network, inputs, rules) for network in networks)
        mask = (inputs[model.inputs[0].name] != 0).any(-1)[:, : first.relevance.shape[1]]
        found["rank_correlation"].append(rank_correlation(first.relevance.sum(-1), second.relevance.sum(-1), mask))
        for number, (one, other) in enumerate(zip(first.edges, second.edges, strict=True)):
            found.setdefault(f"same_edges {number}", []).append(same_edges(one, other))
    joined = {name: torch.cat(values) for name, values in found.items()}
    return {"examples": len(batch[model.inputs[0].name]), **dict(_means(joined))}


def same_edges(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Return which part of the foremost edges of one network is among those of the other.

    Parameters
    ----------
    first, second
        The graph, with -1 where there is no edge, and the absolute relevance of its edges: ``[sets, elements, k]``.

    Returns
    -------
    shares
        ``[sets]``; NaN where a set has no edge.
    """
    import torch

    shares = torch.full((len(first[0]),), torch.nan, dtype=torch.float64)
    for number in range(len(shares)):
        one, other = (_foremost(graph[number], total[number]) for graph, total, *_ in (first, second))
        if one and other:
            shares[number] = len(one & other) / min(len(one), len(other))
    return shares


def _foremost(graph: Tensor, total: Tensor) -> set[tuple[int, int]]:
    """Return the most relevant edges of a set, as pairs of element and neighbour."""
    edges = (graph >= 0).nonzero()
    order = total[edges[:, 0], edges[:, 1]].argsort(descending=True, stable=True)
    chosen = edges[order[: math.ceil(FOREMOST * len(edges))]]
    return {(int(element), int(graph[element, slot])) for element, slot in chosen.tolist()}


def _passes(counts: Tensor) -> Iterator[Tensor]:
    from ..data.batches import passes

    return (rows for rows in passes(counts, ELEMENTS) if int(counts[rows].max()) > 0)


def _explained(model: Model, network: Any, inputs: Mapping[str, Tensor], rules: ExplainRules) -> Computed:
    _, _, values = features_of(model, network, inputs)
    with Engine(model, network, rules) as engine:
        return engine(values, rules.target)


def _means(found: Mapping[str, Tensor]) -> Iterator[tuple[str, Any]]:
    """Give the mean over examples and its error; of places with edges a list each."""
    places: dict[str, list[float]] = {}
    for name, values in found.items():
        known = values[~values.isnan()]
        if not len(known):
            continue
        error = float(known.std() / math.sqrt(len(known))) if len(known) > 1 else math.nan
        if name.startswith("same_edges"):
            places.setdefault("same_edges", []).append(float(known.mean()))
            places.setdefault("same_edges_error", []).append(error)
        else:
            yield from ((name, float(known.mean())), (f"{name}_error", error))
    yield from places.items()
