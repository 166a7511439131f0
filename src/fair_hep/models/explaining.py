"""What is explained, and by which rules: what a configuration leaves open, the recipe says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..provenance.configuration import ExplainConfig, ExplainRules

if TYPE_CHECKING:
    from .contract import Model

__all__ = ["rules_of"]


def rules_of(model: Model, asked: ExplainConfig) -> ExplainRules:
    """Return the settings of explanations with nothing left open.

    Parameters
    ----------
    model
        Its `Model.composite` and `Model.target` count where ``explain.composite`` and ``explain.target`` are null.
    asked
        ``explain`` of a configuration.
    """
    composite = model.composite if asked.composite is None else asked.composite
    target = list(model.target()) if asked.target is None else asked.target
    return ExplainRules(**{**asked.model_dump(), "composite": composite, "target": target})
