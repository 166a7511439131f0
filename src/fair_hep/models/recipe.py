"""The recipe of a project: its own package, whose ``__init__.py`` offers ``MODEL``."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path

from pydantic import BaseModel, ValidationError

from ..bundle.errors import ConfigError
from ..bundle.strict import told
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
        If it isn't installed, offers none, or describes something by values that don't fit: the line names file, line
        and key.
    """
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ConfigError(
            f"the package {package} isn't installed: run `make install`, or `pip install -e .`"
        ) from error
    except ValidationError as error:
        raise ConfigError(_mistaken(error)) from error
    model = getattr(module, "MODEL", None)
    if not isinstance(model, Model):
        raise ConfigError(f"{package}/__init__.py: MODEL is {type(model).__name__}, expected an instance of a Model")
    return model


def _mistaken(error: ValidationError) -> str:
    """Say in one line what is wrong about a description in a recipe (`Columns`, `TensorSpec`, ...), and where it is."""
    frames = list(traceback.walk_tb(error.__traceback__))
    made = next((frame.f_locals.get("self") for frame, _ in reversed(frames)), None)
    kind = type(made) if isinstance(made, BaseModel) else BaseModel
    outside = [
        (Path(frame.f_code.co_filename), line)
        for frame, line in frames
        if not {"site-packages", "fair_hep"} & set(Path(frame.f_code.co_filename).parts)
    ]
    file, line = outside[-1] if outside else (Path(error.title), 0)
    return told(error, kind, lambda key: f"{file.name}, line {line}: {error.title}")


def folder_of(model: Model) -> Path:
    """Return the folder of the package that a model comes from."""
    found = importlib.import_module(type(model).__module__.partition(".")[0]).__file__
    assert found is not None  # a package has a file
    return Path(found).parent
