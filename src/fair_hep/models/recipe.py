"""The recipe of a project: its own package, whose ``__init__.py`` offers ``MODEL``."""

from __future__ import annotations

import importlib
from pathlib import Path

from ..bundle.errors import ConfigError
from ..provenance.project import Project
from .contract import Model

__all__ = ["folder_of", "load_recipe", "recipe"]


def recipe(project: Project) -> Model:
    """Return the model of a project.

    Raises
    ------
    ConfigError
        If the project's package can't be imported, or offers another model than ``project.yaml`` names.
    """
    model = load_recipe(project.slug)
    if model.name != project.model:
        raise ConfigError(
            f"project.yaml: model is {project.model!r}, but the package {project.slug} has {model.name!r}"
        )
    return model


def load_recipe(package: str) -> Model:
    """Return the model that a package offers.

    Raises
    ------
    ConfigError
        If it isn't installed, or offers none.
    """
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ConfigError(
            f"the package {package} isn't installed: run `make install`, or `pip install -e .`"
        ) from error
    model = getattr(module, "MODEL", None)
    if not isinstance(model, Model):
        raise ConfigError(f"{package}/__init__.py: MODEL is {type(model).__name__}, expected an instance of a Model")
    return model


def folder_of(model: Model) -> Path:
    """Return the folder of the package that a model comes from."""
    found = importlib.import_module(type(model).__module__.partition(".")[0]).__file__
    assert found is not None  # a package has a file
    return Path(found).parent
