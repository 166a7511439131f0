"""The verb ``predict``: score the examples of a file with the bundle's model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..bundle.columns import Map, find_columns
from ..bundle.parts import Part
from ..bundle.runtime import load
from ..bundle.scoring_parts import score
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project

__all__ = ["run"]


def run(
    project: Project,
    config: Config | None,
    *,
    file: Path,
    output: Path,
    explain: bool = False,
    columns: Map | None = None,
    part: Part | None = None,
    join: int | None = None,
) -> dict[str, Any]:
    """Score the examples of a file of columns or of the model's published layout, as `score` does.

    Parameters
    ----------
    project, config
        Whose bundle it is; of the configuration, only ``data.options`` say how a file is read.
    file, output, explain, part, join
        Those of `score`.
    columns
        Which columns of the file are what, whatever the model's own files have: see `find_columns`.

    Raises
    ------
    MissingStepError
        If there is no bundle, or not every part.
    ProjectError
        If parts don't belong together.
    DataError
        If the file can't be read, or holds what no example can have; the line says where.
    ExplainError
        If relevances are wanted of a bundle without an explained graph.
    """
    model = load(project.bundle)
    own = recipe(project) if model.signature.trainable else None
    options = config.data.options if config else {}
    chosen = None if columns is None else find_columns(columns)
    return score(model, file, output, part=part, join=join, explain=explain, own=own, options=options, columns=chosen)
