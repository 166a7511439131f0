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
