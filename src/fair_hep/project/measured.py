"""How good a network is on one split, measured by its recipe."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..pages.figures import undrawn
from ..tagging.applied import apply, derived

if TYPE_CHECKING:
    from torch import nn

    from ..models.contract import Model
    from ..provenance.configuration import Config

__all__ = ["Measured", "measure"]


class Measured(NamedTuple):
    """What was measured.

    Parameters
    ----------
    decisive
        Name of the metric that decides, higher is better.
    metrics
        All of them; the statistical error of one has its name with ``_error`` behind it, where that is known.
    """

    decisive: str
    metrics: Mapping[str, float]

    @property
    def value(self) -> float:
        """The decisive metric."""
        return float(self.metrics[self.decisive])

    @property
    def error(self) -> float | None:
        """Its statistical error, where that is known."""
        return self.metrics.get(f"{self.decisive}_error")


def measure(config: Config, model: Model, network: nn.Module, dataset: Any) -> Measured:
    """Evaluate a network on a split; tables are thrown away, figures aren't drawn."""
    size = config.evaluate.batch_size
    outputs, targets = apply(model, network, dataset, size)
    with tempfile.TemporaryDirectory() as folder, undrawn():
        found = model.evaluate(outputs, {**targets, **derived(model, dataset, size)}, Path(folder))
    return Measured(found.decisive, dict(found.metrics))
