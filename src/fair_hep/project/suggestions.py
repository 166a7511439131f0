"""How good a network is with fewer features, neighbours or elements, as it is: nothing is trained again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ..models.building import Pruned, smaller
from ..pruning.cost import mean_cost
from ..pruning.fewer import Fewer
from ..pruning.needed import Graph, Relevant, balanced
from .measured import Measured, measure

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from ..models.contract import Model
    from ..provenance.configuration import Config

__all__ = ["Bench", "Point", "elements", "features", "ladder", "neighbours", "together"]


class Point(NamedTuple):
    """How good a network is with so many features, neighbours or elements, and the share of relevance they have."""

    kept: int
    value: float
    error: float | None
    share: float | None


@dataclass(frozen=True)
class Bench:
    """Where smaller networks are tried.

    Parameters
    ----------
    model, network
        What is made smaller; the network is in evaluation mode, and isn't changed.
    dataset
        What the decisive metric is measured on.
    config
        How it is evaluated.
    before
        The metric of the network as it is.
    may_lose
        How far it may fall.
    arrays
        Inputs of a few examples by name, padded, on which costs are counted.
    """

    model: Model
    network: nn.Module
    dataset: Any
    config: Config
    before: Measured
    may_lose: float
    arrays: Mapping[str, np.ndarray]

    def point(self, kept: int, share: float | None, *, dataset: Any = None, **change: Any) -> Point:
        """Measure a smaller network (see `Pruned`), or the network on other examples."""
        if dataset is None and not change:
            return Point(kept, self.before.value, self.before.error, share)
        found = self.measured(Pruned(**change), dataset)
        return Point(kept, found.value, found.error, share)

    def measured(self, change: Pruned, dataset: Any = None) -> Measured:
        """Measure a smaller network, on other examples if they are given."""
        network = smaller(self.model, self.network, change)
        return measure(self.config, self.model, network, self.dataset if dataset is None else dataset)

    def good(self, value: float) -> bool:
        """Say whether the metric has fallen no further than it may."""
        return value >= self.before.value - self.may_lose

    def smallest(self, points: Sequence[Point]) -> Point:
        """Return the last of some points, given in falling number, up to which all are good."""
        best = points[0]
        for point in points[1:]:
            if not self.good(point.value):
                break
            best = point
        return best

    def macs(self, change: Pruned, longest: int | None = None) -> float:
        """Return which share of the multiply-adds is left; of each example ``longest`` elements count."""
        sets = {spec.name for spec in self.model.inputs if spec.set_axis}
        cut = {name: values[:, :longest] if name in sets else values for name, values in self.arrays.items()}
        network = smaller(self.model, self.network, change)
        return mean_cost(network, self.model.inputs, cut).macs / self._full

    @cached_property
    def _full(self) -> float:
        return mean_cost(self.network, self.model.inputs, self.arrays).macs


def ladder(top: int) -> list[int]:
    """Return a number and all powers of two below it, in falling order.

    Examples
    --------
    >>> ladder(7), ladder(1)
    ([7, 4, 2, 1], [1])
    """
    return [top, *(2**power for power in range(top.bit_length(), -1, -1) if 2**power < top)]


# -- features ----------------------------------------------------------------------------------------------------------
def features(bench: Bench, names: Sequence[str], sums: Mapping[str, Tensor]) -> dict[str, Any]:
    """Keep the features with the largest share of relevance, one fewer at a time; all others are 0.

    Parameters
    ----------
    bench
        Where they are tried.
    names
        Features that count so far.
    sums
        Absolute relevance of all features of the model, by what is explained.

    Returns
    -------
    found
        JSON values: ``order``, and for each ``share`` and ``by_output``; ``curve``; what is ``kept``, how many
        ``macs`` are left and the ``change``, or none.
    """
    columns = list(bench.model.features.columns)
    share = balanced(sums)
    order = sorted(names, key=lambda name: -float(share[columns.index(name)]))
    shares = [float(share[columns.index(name)]) for name in order]
    points = []
    for kept in range(len(order), 0, -1):
        less = {} if kept == len(order) else {"features": _in_place(order[:kept], columns)}
        points.append(bench.point(kept, sum(shares[:kept]), **less))
    best = bench.smallest(points)
    change = Pruned(features=_in_place(order[: best.kept], columns)) if best.kept < len(order) else None
    return {
        "order": order,
        "share": shares,
        "by_output": {name: _plain(balanced({name: one}), columns, order) for name, one in sums.items() if one.any()},
        **_found(bench, points, best, change),
    }


def _in_place(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    return sorted(names, key=columns.index)


def _plain(share: Tensor, columns: Sequence[str], order: Sequence[str]) -> list[float]:
    return [float(share[columns.index(name)]) for name in order]


def _found(bench: Bench, points: Sequence[Point], best: Point, change: Pruned | None) -> dict[str, Any]:
    return {
        "curve": [point._asdict() for point in points],
        "kept": best._asdict(),
        "change": None if change is None else change.model_dump(mode="json", exclude_defaults=True),
        "macs": 1.0 if change is None else bench.macs(change),
    }


# -- neighbours --------------------------------------------------------------------------------------------------------
def neighbours(bench: Bench, graphs: Sequence[Graph], relevant: Relevant) -> dict[str, Any]:
    """Let one graph after the other find fewer neighbours, then all of them as few as each allows.

    Losses add up: where all together lose too much, the graph that loses most alone is given more again.

    Returns
    -------
    found
        JSON values: for each of the ``graphs`` its ``k``, ``share`` of all messages' relevance by rank of the neighbour
        (null: no place has them) and of an element ``itself`` (null: it has no message), ``curve``, how many are enough
        ``alone`` and how many are ``kept``; of all together the metric, ``macs`` and the ``change``, or none.
    """
    tried = {graph.name: _fewer_neighbours(bench, graph, relevant) for graph in graphs}
    curves = {graph.name: [Point(**point) for point in tried[graph.name]["curve"]] for graph in graphs}
    chosen = {name: bench.smallest(points) for name, points in curves.items()}
    while True:
        change = {name: point.kept for name, point in chosen.items() if point != curves[name][0]}
        found = bench.measured(Pruned(neighbours=change)) if len(change) > 1 else None
        if found is None or bench.good(found.value):
            break
        worst = min(change, key=lambda name: chosen[name].value)
        chosen[worst] = curves[worst][curves[worst].index(chosen[worst]) - 1]
    for name, row in tried.items():
        row["kept"] = chosen[name].kept
    pruned = Pruned(neighbours=change)
    alone = next((chosen[name] for name in change), None)
    best = found or alone or bench.before
    return {
        "graphs": tried,
        "value": best.value,
        "error": best.error,
        "change": pruned.model_dump(mode="json", exclude_defaults=True) if change else None,
        "macs": bench.macs(pruned) if change else 1.0,
    }


def _fewer_neighbours(bench: Bench, graph: Graph, relevant: Relevant) -> dict[str, Any]:
    shares, itself = _by_rank(graph, relevant)
    points = [
        bench.point(
            kept,
            None if shares is None else (itself or 0.0) + float(shares[:kept].sum()),
            **({} if kept == graph.k else {"neighbours": {graph.name: kept}}),
        )
        for kept in ladder(graph.k)
    ]
    return {
        "k": graph.k,
        "share": None if shares is None else shares.tolist(),
        "itself": itself,
        "curve": [point._asdict() for point in points],
        "alone": bench.smallest(points).kept,
    }


def _by_rank(graph: Graph, relevant: Relevant) -> tuple[Tensor | None, float | None]:
    """Return the share of each neighbour by rank, and that of the element itself."""
    sums = relevant.slots.get(graph.name)
    if not sums or not any(float(one.sum()) for one in sums.values()):
        return None, None
    others, own = graph.by_rank(balanced(sums))
    if len(others) != graph.k:
        return None, None
    return others, None if own is None else float(own)


# -- elements ----------------------------------------------------------------------------------------------------------
def elements(bench: Bench, shares: Tensor, real: Tensor, *, option: str | None) -> dict[str, Any]:
    """Keep the first elements of every example as they are stored, and those with most relevance; fewer at a time.

    The second can't be had before the network has seen them all: it says how few would do.

    Parameters
    ----------
    bench
        Where they are tried.
    shares
        Share of absolute relevance of every element ``[examples, elements]``.
    real
        Elements that exist ``[examples, elements]``.
    option
        The setting that keeps the first ones; None: there is none.

    Returns
    -------
    found
        JSON values: the ``largest`` number; ``stored`` and ``relevance``, each with a ``curve`` and what is ``kept``;
        of the first the ``macs`` that are left and the ``change`` of settings, or none.
    """
    largest = int(real.sum(1).max())
    falling = shares.masked_fill(~real, -1.0).argsort(dim=1, descending=True, stable=True)
    by_relevance = torch.empty_like(falling).scatter_(1, falling, torch.arange(falling.shape[1]).expand_as(falling))
    found: dict[str, Any] = {"largest": largest}
    for name, rank in (("stored", real.cumsum(1) - 1), ("relevance", by_relevance)):
        points = []
        for count in ladder(largest):
            fewer = None if count == largest else Fewer(bench.dataset, bench.model, count, rank)
            share = float(torch.where(real & (rank < count), shares, 0.0).sum() / shares.sum())
            points.append(bench.point(count, share, dataset=fewer))
        best = bench.smallest(points)
        found[name] = {"curve": [point._asdict() for point in points], "kept": best._asdict()}
    kept = found["stored"]["kept"]["kept"]
    return {
        **found,
        "macs": bench.macs(Pruned(), kept),
        "change": {option: kept} if option is not None and kept < largest else None,
    }


# -- all of it ---------------------------------------------------------------------------------------------------------
def together(bench: Bench, change: Pruned, count: int | None) -> dict[str, Any]:
    """Make a network smaller in several ways at once, on the first elements only if a ``count`` is given.

    Returns
    -------
    found
        JSON values: the metric, how many ``macs`` are left, and whether that is ``good`` enough.
    """
    found = bench.measured(change, None if count is None else Fewer(bench.dataset, bench.model, count))
    return {
        "value": found.value,
        "error": found.error,
        "macs": bench.macs(change, count),
        "good": bench.good(found.value),
    }
