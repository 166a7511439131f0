"""Which norms the engine folds into their neighbours."""

from __future__ import annotations

from typing import Any

from torch import nn

from fair_hep.lrp.engine import Explainer


def folded_names(network: nn.Module, start: Any) -> set[str]:
    with Explainer(network) as explainer:
        explainer(*start, target=0)
        assert explainer.plan is not None
        return {explainer.names[module] for module in explainer.plan.folded}
