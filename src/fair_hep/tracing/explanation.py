"""What a network explained by the engine is while it is recorded: tensors in, tensors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..bundle import Relevance
from ..lrp.edges import graphs_found
from ..models.contract import Model
from ..models.explaining import explainer_of
from ..provenance.configuration import ExplainRules

__all__ = ["Explanation"]


class Explanation(ABC):
    """A network with its explanation: a context manager, inside which the network carries its rules.

    Parameters
    ----------
    model, network
        What is explained; the network is in evaluation mode.
    rules
        Of a configuration, or of a bundle.
    """

    def __init__(self, model: Model, network: nn.Module, rules: ExplainRules | Relevance) -> None:
        self.model, self.network = model, network
        self.edges = dict(model.edges(network))
        self.body = network.get_submodule("body")
        self.explainer = explainer_of(model, network, rules)

    def __enter__(self) -> Self:
        """Attach nothing yet, but check the network."""
        self.explainer.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Give the network back as it was."""
        self.explainer.__exit__(*error)

    def __call__(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """Explain a real batch, with all checks."""
        return self._run(arguments, lambda values, target: self.explainer(*values, target=target))

    def recorded(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """Do the same without looking at values, for a tracer."""
        return self._run(arguments, lambda values, target: self.explainer.trace(*values, weights=target))

    @abstractmethod
    def _run(self, arguments: Sequence[Tensor], explain: Callable[..., Any]) -> tuple[Tensor, ...]:
        """Return all tensors, given a function that explains values by the weights of outputs."""

    def _explained(self, values: Sequence[Tensor], target: Tensor, explain: Callable[..., Any]) -> tuple[Any, ...]:
        r"""Return what was found, the ledger ``[examples, 4]``, and each place's graph with its sums of \|R\| and R."""
        with graphs_found(self.body, self.edges) as graphs:
            found = explain(values, target)
        book = found.ledger
        ledger = torch.stack([book.bias, book.epsilon, book.lost, book.scale], 1)
        places = [
            (graphs[place], *found.places[place].reshape(2, *graphs[place].shape).unbind()) for place in self.edges
        ]
        return found, ledger, places
