"""Where relevance is: on which features, on which neighbours by their rank, and on which elements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from ..bundle.errors import ExplainError
from ..models.explaining import explainer_of
from ..nets.layers import Neighbours, Place
from .wanted import wanted

if TYPE_CHECKING:
    from ..models.contract import Batch, Model
    from ..provenance.configuration import ExplainRules

__all__ = ["Graph", "Relevant", "balanced", "explained", "graphs_of", "of_elements", "relevant"]


@dataclass(frozen=True)
class Graph:
    """A module that finds neighbours, and where their messages can be read.

    Parameters
    ----------
    name
        Of the `Neighbours`, within the body.
    k
        Neighbours that it finds.
    places
        With a message for each of them; none: its relevance can't be read.
    own
        Which slot of a message is the element itself; None: none.
    """

    name: str
    k: int
    places: tuple[str, ...]
    own: int | None

    def by_rank(self, sums: Tensor) -> tuple[Tensor, Tensor | None]:
        """Sort what was summed for every slot of the messages ``[slots]``: by neighbour, and the element itself."""
        if self.own is None:
            return sums, None
        own = self.own % len(sums)
        return torch.cat([sums[:own], sums[own + 1 :]]), sums[own]


class Relevant(NamedTuple):
    """Sums of absolute relevance by what is explained: each class and each other output for itself.

    Attributes
    ----------
    features
        For everything that was explained ``[features]``.
    slots
        By the name of a graph, for everything that was explained ``[slots]``.
    """

    features: Mapping[str, Tensor]
    slots: Mapping[str, Mapping[str, Tensor]]


def graphs_of(model: Model, network: nn.Module) -> tuple[Graph, ...]:
    """Return all graphs of a network's body, in order.

    Messages are where `Model.edges` says, else in a `Place` beside the `Neighbours`.
    """
    body, named = network.get_submodule("body"), model.edges(network)
    found = []
    for name, part in body.named_modules():
        if not isinstance(part, Neighbours):
            continue
        inside = name.rpartition(".")[0]
        parent = body.get_submodule(inside)
        places = [place for place, finder in named.items() if name == finder or name.startswith(f"{finder}.")]
        beside = [f"{inside}.{key}".lstrip(".") for key, one in parent.named_children() if isinstance(one, Place)]
        own: int | None = getattr(parent, "own_slot", None)
        found.append(Graph(name, part.k, tuple(places or beside), own))
    return tuple(found)


def explained(
    model: Model, network: nn.Module, batches: Sequence[Batch], rules: ExplainRules, places: Sequence[str] = ()
) -> Iterator[tuple[str, int, Tensor, Any]]:
    """Explain every class for the examples that are taken for it, and every other output for all.

    Yields
    ------
    name, number, rows, found
        What is explained, the number of the batch, which of its examples, and the `fair_hep.lrp.Explanation`.

    Raises
    ------
    ExplainError
        If the network can't be explained by these rules.
    """
    body = network.get_submodule("body")
    with explainer_of(model, network, rules, edges=tuple(places)) as explainer:
        for number, batch in enumerate(batches):
            with torch.no_grad():
                made = network.get_submodule("features")(**_inputs(model, batch))
                values, *context = (made,) if isinstance(made, Tensor) else made
                outputs = body(values, *context)
            for name, weights in wanted(model, outputs, context):
                rows = weights.flatten(1).any(1).nonzero()[:, 0]
                chosen = [one[rows] if isinstance(one, Tensor) else one for one in context]
                yield name, number, rows, explainer(values[rows], *chosen, target=weights[rows])


def relevant(
    model: Model, network: nn.Module, batches: Sequence[Batch], rules: ExplainRules, graphs: Sequence[Graph]
) -> Relevant:
    """Add up the absolute relevance of every feature, and of messages by their slot.

    Parameters
    ----------
    model, network
        The network is in evaluation mode; it isn't changed.
    batches
        Examples, a few in each batch.
    rules
        How it is explained.
    graphs
        Whose messages count, as `graphs_of` gives them.

    Raises
    ------
    ExplainError
        If nothing has any relevance, or the network can't be explained by these rules.
    """
    features: dict[str, Tensor] = {}
    slots: dict[str, dict[str, Tensor]] = {graph.name: {} for graph in graphs if graph.places}
    places = [place for graph in graphs for place in graph.places]
    for name, _, _, found in explained(model, network, batches, rules, places):
        _add(features, name, found.relevance.abs().flatten(0, -2).sum(0))
        for graph in graphs:
            for place in graph.places:
                _add(slots[graph.name], name, found.places[place][0].sum(0))
    balanced(features)  # refuses what is constant
    return Relevant(features, slots)


def of_elements(
    model: Model,
    network: nn.Module,
    batches: Sequence[tuple[Tensor, Batch]],
    rules: ExplainRules,
    shape: tuple[int, int],
) -> Tensor:
    """Return the share of absolute relevance that every element of an example has ``[examples, elements]``.

    Parameters
    ----------
    model, network, rules
        As of `relevant`.
    batches
        Examples in batches, and which of all examples those of each are.
    shape
        Of what is returned; an example or element that is in no batch has 0.
    """
    total = torch.zeros(shape)
    for _, number, rows, found in explained(model, network, [batch for _, batch in batches], rules):
        size = found.relevance.abs().sum(-1)
        shares = size / size.sum(1, keepdim=True).clamp(min=torch.finfo(size.dtype).tiny)
        total[batches[number][0][rows], : shares.shape[1]] += shares
    return total / total.sum(1, keepdim=True).clamp(min=torch.finfo(total.dtype).tiny)


def balanced(sums: Mapping[str, Tensor]) -> Tensor:
    """Return shares that add up to 1, in which everything that was explained counts the same.

    Raises
    ------
    ExplainError
        If nothing has any relevance.
    """
    shares = [one / one.sum() for one in sums.values() if float(one.sum()) > 0]
    if not shares:
        raise ExplainError(
            "nothing has any relevance: what is explained is constant; is the network trained, and are there examples "
            "that aren't empty?"
        )
    return torch.stack(shares).mean(0)


def _inputs(model: Model, batch: Batch) -> dict[str, Tensor]:
    return {spec.name: batch[spec.name] for spec in model.inputs if spec.name in batch}


def _add(sums: dict[str, Tensor], name: str, found: Tensor) -> None:
    sums[name] = sums[name] + found if name in sums else found.clone()
