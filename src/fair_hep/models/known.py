"""Options of a model, tried before anything takes its time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..bundle.strict import validate
from .building import of_recipe, pruned_of
from .contract import Model
from .options import SECTIONS

if TYPE_CHECKING:
    from ..provenance.configuration import Config

__all__ = ["require_known"]


def require_known(model: Model, config: Config) -> None:
    """Try every option of a model before anything takes its time.

    Raises
    ------
    ConfigError
        If one is unknown or out of range.
    """
    kinds = model.settings()
    pruned_of(config.model)
    for section in SECTIONS:
        if section in kinds:
            chosen = _chosen(config, section)
            validate(kinds[section], of_recipe(chosen) if section == "model" else chosen, section)


def _chosen(config: Config, section: str) -> Mapping[str, object]:
    """Return what a configuration says in a section that belongs to the model."""
    values: Mapping[str, object] = config.model_dump(by_alias=True)
    for part in section.split("."):
        inner = values[part]
        assert isinstance(inner, Mapping)  # these sections hold options by name
        values = inner
    return values
