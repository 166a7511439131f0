"""The verb ``simulate``: generate examples into raw files, without converting them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import provenance
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project

__all__ = ["run"]


def run(project: Project, config: Config, *, size: int, output: Path) -> dict[str, Any]:
    """Generate ``size`` examples with the model's own generator into the folder ``output``.

    Raises
    ------
    ProjectError
        If the generator isn't installed; the message names the extra.
    """
    data = config.data
    files = recipe(project).simulate(output, size=size, seed=config.seed, processes=data.processes, **data.simulation)
    provenance.record(output, project, config, "simulate", inputs={}, size=size)
    return {"size": size, "files": {split: [str(path) for path in paths] for split, paths in files.items()}}
