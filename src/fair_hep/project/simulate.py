"""The verb ``simulate``: generate examples into raw files, without converting them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import provenance
from ..bundle.parts import Part
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project
from .data_parts import join_simulated, make_simulated

__all__ = ["run"]


def run(
    project: Project, config: Config, *, size: int, output: Path, part: Part | None = None, join: int | None = None
) -> dict[str, Any]:
    """Generate ``size`` examples with the model's own generator into the folder ``output``.

    Parameters
    ----------
    project, config
        Whose generator, and how it is set.
    size
        Number of examples in all.
    output
        Folder to write.
    part
        A share of the examples, made into a folder of its own beside ``output``. None: all.
    join
        Number of parts that there are, to be joined; None: nothing is joined.

    Raises
    ------
    ProjectError
        If the generator isn't installed; the message names the extra. Or if a part is missing, or parts don't belong
        together.
    """
    data, model = config.data, recipe(project)
    if part is not None:
        files = make_simulated(project, config, model, output, size=size, part=part)
    elif join is not None:
        files = join_simulated(project, config, model, output, size=size, of=join)
    else:
        files = model.simulate(output, size=size, seed=config.seed, processes=data.processes, **data.simulation)
    if part is None:
        provenance.record(output, project, config, "simulate", inputs={}, size=size)
    return {"size": size, "files": {split: [str(path) for path in paths] for split, paths in files.items()}}
