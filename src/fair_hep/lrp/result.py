"""The result of an explanation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .ledger import Ledger

__all__ = ["Explanation"]


@dataclass(frozen=True)
class Explanation:
    """Relevance of one batch, with the ledger that accounts for all of it.

    Parameters
    ----------
    relevance
        Relevance of every input value, same shape as the values.
    outputs
        Raw outputs of the network, as it gave them.
    explained
        What is explained ``[samples]``: the chosen combination of outputs.
    places
        Relevance at each named place (or what the place's reduction made of it).
    ledger
        Where every unit of relevance went, with its error.

    Examples
    --------
    What is explained is what the inputs have and what the bias has, 2 x 3 - 1 x 1 + 0.5:

    >>> from fair_hep import explain
    >>> import torch
    >>> layer = torch.nn.Linear(2, 1).eval()
    >>> layer.weight.data, layer.bias.data = torch.tensor([[2.0, -1.0]]), torch.tensor([0.5])
    >>> found = explain(layer, torch.tensor([[3.0, 1.0]]), target=0)
    >>> found.explained.tolist(), [round(value, 4) for value in found.relevance[0].tolist()]
    ([5.5], [6.0, -1.0])
    >>> round(found.ledger.bias.item(), 4), found.error.item() < 1e-6
    (0.5, True)
    """

    relevance: Tensor
    outputs: Tensor
    explained: Tensor
    places: Mapping[str, Any]
    ledger: Ledger

    @property
    def error(self) -> Tensor:
        """Relative error of the ledger ``[samples]``, see `Ledger.error`."""
        return self.ledger.error
