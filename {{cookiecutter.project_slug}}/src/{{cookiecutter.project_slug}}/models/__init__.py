"""The models of this project: one folder each, all behind `contract.Model`."""

from __future__ import annotations

import importlib
from pathlib import Path

from ..errors import ConfigError
from .contract import Model

__all__ = ["available", "get"]


def available() -> list[str]:
    """Return the names of the models in this project."""
    return sorted(
        path.parent.name for path in Path(__file__).parent.glob("*/__init__.py") if path.parent.name[0] != "_"
    )


def get(name: str) -> Model:
    """Return a model by its name.

    Raises
    ------
    ConfigError
        If the project has no model of that name.
    """
    if name not in available():
        raise ConfigError(f"project.yaml: model is {name!r}, expected one of {', '.join(available())}")
    model: Model = importlib.import_module(f".{name}", __package__).MODEL
    return model
