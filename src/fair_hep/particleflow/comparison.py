"""The events of a test set as generated, as a network reconstructs them, and as rule-based particle flow does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..bundle.errors import DataError
from .measures import confusions, margins
from .particles import Particles, by_event, learned, read_rows

if TYPE_CHECKING:
    from ..models.contract import Arrays

__all__ = ["FLOWS", "NETWORK", "RULES", "Comparison", "compare"]

NETWORK, RULES = "network", "rules"
#: The two that are compared, in this order everywhere.
FLOWS = (NETWORK, RULES)


@dataclass(frozen=True)
class Comparison:
    """Events as generated and as both flows give them, element by element.

    ``margins`` ``[elements, 6]`` say by how much the logit of a class exceeds the largest of the others.
    """

    truth: Particles
    flows: Mapping[str, Particles]
    offsets: np.ndarray
    margins: np.ndarray

    @property
    def event(self) -> np.ndarray:
        """The event of every element."""
        return by_event(self.offsets)

    @property
    def events(self) -> int:
        """The number of events."""
        return len(self.offsets) - 1

    def confusions(self, flow: str) -> np.ndarray:
        """Return the confusion of classes in every event ``[events, 6, 6]``."""
        return confusions(self.truth.pid, self.flows[flow].pid, self.event, self.events)

    def agreed(self, kind: int) -> np.ndarray:
        """Return the elements of a class on which generator and both flows agree, momenta known."""
        chosen = (self.truth.pid == kind) & self.truth.known
        for particles in self.flows.values():
            chosen = chosen & (particles.pid == kind) & particles.known
        return np.flatnonzero(chosen)


def compare(outputs: Arrays, targets: Arrays) -> Comparison:
    """Turn raw outputs and targets into particles.

    Raises
    ------
    DataError
        If there is no element.
    """
    if not len(targets["gen"]):
        raise DataError("evaluate: got no elements; the test split needs events")
    flows = {NETWORK: learned(outputs["logits"], outputs["momenta"]), RULES: read_rows(targets["cand"])}
    offsets = np.asarray(targets["offsets"], np.int64)
    return Comparison(read_rows(targets["gen"]), flows, offsets, margins(outputs["logits"]))
