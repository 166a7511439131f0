"""What may be chosen about a model: the classes that validate its options, by section of a configuration."""

from __future__ import annotations

import importlib
import importlib.util

from ..bundle.strict import Strict

__all__ = ["SECTIONS", "named_by_convention"]

#: Sections that belong to the model, and the class that a recipe's file usually has for each.
SECTIONS = {
    "model": ("network", "Hyperparameters"),
    "data.options": ("data", "Options"),
    "data.simulation": ("data", "SimulationOptions"),
    "train.loss": ("train", "LossOptions"),
    "explain.options": ("explain", "Options"),
}


def named_by_convention(model: object) -> dict[str, type[Strict]]:
    """Return the classes of options that the files of a recipe have under their usual names, by section."""
    package = type(model).__module__.partition(".")[0]
    found: dict[str, type[Strict]] = {}
    for section, (file, name) in SECTIONS.items():
        if not _has(package, file):
            continue
        kind = getattr(importlib.import_module(f"{package}.{file}"), name, None)
        if isinstance(kind, type) and issubclass(kind, Strict):
            found[section] = kind
    return found


def _has(package: str, file: str) -> bool:
    try:
        return importlib.util.find_spec(f"{package}.{file}") is not None
    except ModuleNotFoundError:  # a model in a module that is no package
        return False
