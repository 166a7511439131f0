"""Data that are simulated and converted in parts, on as many machines as there are, and joined to what one makes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import provenance
from ..bundle.errors import ConfigError
from ..bundle.files import new_folder, read_json
from ..bundle.parts import Part, parts_folder
from ..data.joining import join_stores, joined_counts
from ..models.contract import SPLITS, Model
from ..provenance.configuration import Config
from ..provenance.project import Project
from ..provenance.sharing import record_part, whole_parts

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
    made = _made_from(project, config, {}, size)
    record_part(folder, project, config, "simulate", made_from=made, files=_files(folder), inputs={})
    return files


def join_simulated(project: Project, config: Config, model: Model, output: Path, *, size: int, of: int) -> Files:
    """Join what was simulated in parts; the files have the bytes of a single run's.

    Raises
    ------
    ProjectError
        If a part is missing, or they don't belong together, or to what is asked for.
    """
    from ..simulation.joining import join_files

    folders = _whole(project, output, of, "simulate", _made_from(project, config, {}, size))
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
    inputs = _sums(project, raw or {})
    where = parts_folder(folder) / part.folder
    with new_folder(where) as temporary:
        if raw is None:
            own = _simulated(config, model, temporary / _RAW, config.data.size, part)
            counts = {split: _converted(config, model, own[split], temporary / split) for split in SPLITS if own[split]}
        else:
            _require_shared(model, "convert")
            counts = {split: _converted(config, model, raw[split], temporary / split, part=part) for split in SPLITS}
        record_part(
            temporary,
            project,
            config,
            "data",
            made_from=_made_from(project, config, inputs, config.data.size),
            files=_files(temporary),
            inputs=_flat(inputs),
            counts=counts,
        )
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
    from ..simulation.joining import join_files

    simulated = any(parts_folder(folder).glob(f"*-of-{of}/{_RAW}"))
    files: Files = {} if simulated else raw()
    made_from = _made_from(project, config, _sums(project, files), config.data.size)
    folders = _whole(project, folder, of, "data", made_from)
    known = [read_json(one / provenance.FILE)["counts"] for one in folders]
    if simulated:
        with new_folder(raw_folder) as temporary:
            join_files([one / _RAW for one in folders], temporary)
            provenance.record(temporary, project, config, "data", inputs={})
        files = raw()
    counts = {}
    for split in SPLITS:
        stores = [one / split for one in folders if (one / split).is_dir()]
        join_stores(stores, folder / split)
        counts[split] = joined_counts([one[split] for one in known if split in one])
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


def _sums(project: Project, raw: Files) -> dict[str, dict[str, str]]:
    return {split: provenance.checksums(project.root, *raw[split]) for split in SPLITS if split in raw}


def _flat(inputs: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {name: checksum for group in inputs.values() for name, checksum in group.items()}


def _made_from(project: Project, config: Config, inputs: Mapping[str, Mapping[str, str]], size: int) -> list[Any]:
    """Return what parts are made from: raw files, or what is simulated."""
    data = config.data
    return [project.model, data.options, dict(inputs), None if inputs else [size, config.seed, data.simulation]]


def _files(folder: Path) -> list[Path]:
    """Return all files that a part has, but what says how it was made."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / provenance.FILE)


def _whole(project: Project, result: Path, of: int, verb: str, made_from: Any) -> list[Path]:
    """Return the folders of all parts, after each was looked at."""
    looked = whole_parts(result, of, verb, project, made_from)
    return [parts_folder(result) / part.folder for part, _ in looked]
