"""Can explanations of particle flow be trusted? The explained output while the elements that it sees go, or come.

An element's class is explained; the others that its output sees (the receptive field) are removed by mask, the most
relevant first. The element itself stays, as there is no output without it, and so do elements outside the field: when
graphs are found anew, they may step in. Maps of whole events follow epsilon or lrp-0; the other composites are measured
here with the generic engine, one output at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..lrp import COMPOSITES, explain
from ..lrp.edges import frozen_graphs, graphs_found
from ..lrp.faithfulness import GRADIENT, RANDOM, mean, rank_correlation, removal_curves, removal_table
from ..lrp.rules import InputRule
from .choices import Choice, load_event
from .columns import OUTPUTS

__all__ = ["RULES", "removal"]

#: Composites that can explain particle flow: rules for first layers need inputs that only linear layers read, and here
#: the heads read the features as well.
RULES = tuple(name for name, composite in COMPOSITES.items() if not isinstance(composite.first, InputRule))


def removal(
    network: Any,
    dataset: Dataset[Any],
    choices: Sequence[Choice],
    *,
    composite: str,
    epsilon: float,
    steps: int,
    seed: int,
) -> dict[str, Any]:
    """Measure deletion and insertion for every composite, for gradient x input and for a random order.

    Parameters
    ----------
    network
        The network in evaluation mode.
    dataset, choices
        Elements whose true class's logit is explained.
    composite
        The composite that the study uses: its agreement with the other rankings is measured.
    epsilon
        Stabiliser.
    steps
        Steps of the removal.
    seed
        Seed of the random order and of the bootstrap.

    Returns
    -------
    table
        JSON values: see `lrp.faithfulness.removal_table`; "elements", "without_neighbours" (nothing could be removed),
        "steps" and "agreement", the rank correlation of relevances with the composite's.
    """
    generator = torch.Generator().manual_seed(seed)
    curves: dict[str, list[tuple[Tensor, Tensor]]] = {}
    beside: dict[str, list[tuple[Tensor, Tensor]]] = {}
    agreement: dict[str, list[Tensor]] = {}
    alone = 0
    for element in _elements(network, dataset, choices):
        rankings, field = element.rankings(epsilon, generator)
        if not bool(field.any()):
            alone += 1
            continue
        names, stacked = list(rankings), torch.cat(list(rankings.values()))
        fields = field.expand(len(names), -1)
        both = ((curves, element.plain(field)), (beside, element.frozen(field)))
        for kept, score in both:
            deletion, insertion = removal_curves(score, stacked, fields, steps)
            for number, name in enumerate(names):
                kept.setdefault(name, []).append((deletion[number], insertion[number]))
        for name in names:
            agreement.setdefault(name, []).append(rank_correlation(rankings[composite], rankings[name], field))
    found: dict[str, Any] = {"elements": len(curves.get(RANDOM, ())), "without_neighbours": alone, "steps": steps}
    if curves:
        found |= removal_table(_joined(curves), _joined(beside), seed=seed)
        found["agreement"] = {name: mean(torch.cat(values)) for name, values in agreement.items()}
    return found


def _joined(curves: dict[str, list[tuple[Tensor, Tensor]]]) -> dict[str, tuple[Tensor, Tensor]]:
    return {
        name: (torch.stack([pair[0] for pair in pairs]), torch.stack([pair[1] for pair in pairs]))
        for name, pairs in curves.items()
    }


def _elements(network: Any, dataset: Dataset[Any], choices: Sequence[Choice]) -> Iterator[_Element]:
    for choice in choices:
        elements = load_event(dataset, choice.index)["elements"].to(next(network.parameters()).dtype)
        with torch.no_grad():
            features, mask = network.features(elements)
        for row, true in zip(choice.rows.tolist(), choice.true.tolist(), strict=True):
            yield _Element(network.body, features, mask, row, true)


class _Element:
    """One element of an event ``[1, elements, features]``, and the logit of its true class."""

    def __init__(self, body: Any, features: Tensor, mask: Tensor, row: int, true: int) -> None:
        self.body, self.features, self.mask = body, features, mask
        self.row, self.true = row, true

    def rankings(self, epsilon: float, generator: torch.Generator) -> tuple[dict[str, Tensor], Tensor]:
        """Return relevances of all elements by ranking, each ``[1, elements]``, and which others the output sees."""
        target = self.features.new_zeros(*self.mask.shape, len(OUTPUTS))
        target[0, self.row, self.true] = 1.0
        inputs = (self.features, self.mask)
        maps = {name: explain(self.body, inputs, target, composite=name, epsilon=epsilon).relevance for name in RULES}
        leaf = self.features.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(self.body(leaf, self.mask)[0][0, self.row, self.true], leaf)
        field = (maps["epsilon"] != 0).any(2)
        field[0, self.row] = False
        rankings = {name: relevance.sum(2) for name, relevance in maps.items()}
        rankings[GRADIENT] = (gradient * self.features).sum(2)
        rankings[RANDOM] = torch.rand(self.mask.shape, generator=generator).to(self.features)
        return rankings, field

    def plain(self, field: Tensor) -> Any:
        """Return the logit as a function of which elements of the field are kept ``[samples, elements]``."""

        def score(kept: Tensor) -> Tensor:
            with torch.no_grad():
                return self._logit(kept | ~field)

        return score

    def frozen(self, field: Tensor) -> Any:
        """Return the same on the graphs of the whole event."""
        finders = {str(number): f"convolutions.{number}.graph" for number in range(len(self.body.convolutions))}
        with torch.no_grad(), graphs_found(self.body, finders) as graphs:
            self.body(self.features, self.mask)

        def score(kept: Tensor) -> Tensor:
            whole = kept | ~field
            wide = {place: graph.expand(len(kept), -1, -1) for place, graph in graphs.items()}
            with torch.no_grad(), frozen_graphs(self.body, finders, wide, whole):
                return self._logit(whole)

        return score

    def _logit(self, kept: Tensor) -> Tensor:
        kept = kept & self.mask
        features = torch.where(kept[..., None], self.features, 0.0)
        logits: Tensor = self.body(features, kept)[0]
        return logits[:, self.row, self.true]
