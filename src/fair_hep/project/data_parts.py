"""Data that are simulated and converted in parts, on as many machines as there are, and joined to what one makes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import provenance
from ..bundle.errors import ConfigError, ProjectError
from ..bundle.files import new_folder, read_json
from ..bundle.parts import KEY, Part, belonging, parts_folder, require_parts
from ..data.joining import join_stores, joined_counts
from ..models.contract import SPLITS, Model
from ..provenance.configuration import Config
from ..provenance.library import installed
from ..provenance.project import Project
from ..simulation.joining import join_files

__all__ = ["Files", "join_data", "join_simulated", "make_data", "make_simulated"]

#: Raw files by split.
Files = Mapping[str, Sequence[Path]]
#: Where a part keeps what it simulated itself.
_RAW = "raw"


def make_simulated(project: Project, config: Config, model: Model, output: Path, *, size: int, part: Part) -> Files:
    """Simulate one part of the examples that ``simulate`` would write into ``output``.

    Raises
    ------
    ConfigError
        If the model can't share its simulation.
    """
    folder = parts_folder(output) / part.folder
    files = _simulated(config, model, folder, size, part)
    made = _made_from(project, config, None, size)
    provenance.record(folder, project, config, "simulate", part=list(part), **made)
    return files


def join_simulated(project: Project, config: Config, model: Model, output: Path, *, size: int, of: int) -> Files:
    """Join what was simulated in parts; the files have the bytes of a single run's.

    Raises
    ------
    ProjectError
        If a part is missing, or they don't belong together, or to what is asked for.
    """
    folders = require_parts(output, of, "simulate", project.root)
    _check(folders[0], _made_from(project, config, None, size), project.root, "simulate")
    with new_folder(output) as temporary:
        names = [path.name for path in join_files(folders, temporary)]
    return {split: [output / name for name in group] for split, group in model.published(sorted(names)).items()}


def make_data(
    project: Project, config: Config, model: Model, folder: Path, *, part: Part, raw: Files | None
) -> dict[str, Any]:
    """Convert one part of the examples of every split; return what was counted.

    Parameters
    ----------
    project, config, model
        Whose data, which, and what converts them.
    folder
        Of the stores; the part is made beside it.
    part
        Which one; one that is there already is made anew.
    raw
        Raw files; None: there are none, and the part simulates its share of them.

    Raises
    ------
    ConfigError
        If the model can't share its work.
    """
    made = _made_from(project, config, raw, config.data.size)
    where = parts_folder(folder) / part.folder
    with new_folder(where) as temporary:
        if raw is None:
            own = _simulated(config, model, temporary / _RAW, config.data.size, part)
            counts = {split: _converted(config, model, own[split], temporary / split) for split in SPLITS if own[split]}
        else:
            _require_shared(model, "convert")
            counts = {split: _converted(config, model, raw[split], temporary / split, part=part) for split in SPLITS}
        provenance.record(temporary, project, config, "data", part=list(part), counts=counts, **made)
    return counts


def join_data(
    project: Project, config: Config, folder: Path, of: int, *, raw: Callable[[], Files], raw_folder: Path
) -> tuple[dict[str, Any], Files]:
    """Join the parts of every split, and the raw files if parts simulated them; return counts, and the raw files.

    Parameters
    ----------
    project, config, folder
        As for `make_data`.
    of
        How many parts there are.
    raw
        Gives the raw files, once they are there.
    raw_folder
        Where simulated files lie.

    Raises
    ------
    ProjectError
        If a part is missing, or they don't belong together, or to what is asked for.
    """
    folders = require_parts(folder, of, "data", project.root)
    known = [read_json(one / provenance.FILE) for one in folders]
    simulated = any((one / _RAW).is_dir() for one in folders)
    files = None if simulated else raw()
    _check(folders[0], _made_from(project, config, files, config.data.size), project.root, "data")
    if files is None:
        with new_folder(raw_folder) as temporary:
            join_files([one / _RAW for one in folders], temporary)
            provenance.record(temporary, project, config, "data", inputs={})
        files = raw()
    counts = {}
    for split in SPLITS:
        stores = [one / split for one in folders if (one / split).is_dir()]
        join_stores(stores, folder / split)
        counts[split] = joined_counts([one["counts"][split] for one in known if split in one["counts"]])
    return counts, files


def _simulated(config: Config, model: Model, folder: Path, size: int, part: Part) -> Files:
    _require_shared(model, "simulate")
    data = config.data
    more: dict[str, Any] = {"part": part, **data.simulation}
    return model.simulate(folder, size=size, seed=config.seed, processes=data.processes, **more)


def _converted(config: Config, model: Model, files: Sequence[Path], folder: Path, **more: Any) -> dict[str, Any]:
    data = config.data
    return dict(model.convert(files, folder, processes=data.processes, **more, **data.options))


def _require_shared(model: Model, name: str) -> None:
    if "part" not in inspect.signature(getattr(model, name)).parameters:
        raise ConfigError(f"{model.title}: its `{name}` can't be shared (it takes no `part`): leave --part out")


def _made_from(project: Project, config: Config, raw: Files | None, size: int) -> dict[str, Any]:
    """Return what parts are made from, for their provenance: raw files, or what is simulated."""
    data = config.data
    inputs = {split: provenance.checksums(project.root, *(raw or {}).get(split, ())) for split in SPLITS}
    things = {
        "model": project.model,
        "options": data.options,
        "simulated": [size, config.seed, data.simulation] if raw is None else None,
        "library": installed()._asdict(),
        "versions": provenance.versions(),
    }
    flat = {name: checksum for group in inputs.values() for name, checksum in group.items()}
    return {"inputs": flat, KEY: belonging(**things, inputs=inputs)}


def _check(folder: Path, made: Mapping[str, Any], root: Path, verb: str) -> None:
    """Refuse parts of something else than what is asked for now."""
    if read_json(folder / provenance.FILE)[KEY] != made[KEY]:
        raise ProjectError(
            f"{folder.relative_to(root) if folder.is_relative_to(root) else folder}: was made from other files, "
            f"another configuration or versions than those of now: make the parts again by `{verb} --part`"
        )
