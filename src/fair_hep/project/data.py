"""The verb ``data``: bring the raw files, wherever they come from, into one memory-mapped store for each split."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import provenance
from ..archives.manifest import load_manifest
from ..bundle.errors import DataError
from ..bundle.files import read_json
from ..bundle.parts import Part
from ..models.contract import SPLITS, Model
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project
from .data_parts import join_data, make_data

__all__ = ["run", "store_folder"]

#: Beside simulated files: how they were made.
SIMULATION = "simulation.json"

log = logging.getLogger(__name__)


def store_folder(project: Project, config: Config) -> Path:
    """Return the folder of the stores that a configuration reads, one sub-folder for each split."""
    data = config.data
    if data.source != "simulate":
        return project.data / data.source
    chosen = [f"{key}_{value}" for key, value in sorted(data.simulation.items())]
    return project.data / "-".join([data.source, str(data.size), str(config.seed), *chosen])


def run(project: Project, config: Config, *, part: Part | None = None, join: int | None = None) -> dict[str, Any]:
    """Fetch, simulate or find the raw files, and convert every split that isn't converted yet.

    Parameters
    ----------
    project, config
        Whose data, and which.
    part
        A share of this, made into a folder of its own beside the stores; where files are to be simulated, it simulates
        its share of them too. None: all.
    join
        Number of parts that there are, to be joined; None: nothing is joined.

    Raises
    ------
    DataError
        If files can't be had, a split is empty, or a file doesn't hold what it should.
    ConfigError
        If there shall be parts, and the model can't share its work.
    ProjectError
        If a part is missing, or parts don't belong together.
    """
    model = recipe(project)
    folder = store_folder(project, config)
    if part is not None:
        simulating = config.data.source == "simulate" and not _is_simulated(project, config)
        files = None if simulating else _whole(project, config, model)
        counts = make_data(project, config, model, folder, part=part, raw=files)
    elif join is not None:
        raw, there = (lambda: _whole(project, config, model)), _raw_folder(project, config)
        counts, found = join_data(project, config, folder, join, raw=raw, raw_folder=there)
        for split in SPLITS:
            inputs = provenance.checksums(project.root, *found[split])
            _note(project, config, found[split], folder / split, inputs, counts[split])
    else:
        found = _whole(project, config, model)
        counts = {split: _converted(project, config, model, found[split], folder / split) for split in SPLITS}
    return {"source": config.data.source, "folder": str(folder.relative_to(project.root)), "splits": counts}


def _whole(project: Project, config: Config, model: Model) -> Mapping[str, Sequence[Path]]:
    """Return the raw files of every split, which are made or fetched where they aren't there."""
    raw = _raw_files(project, config, model)
    empty = [split for split in SPLITS if not raw.get(split)]
    if empty:
        raise DataError(f"data: no files for {', '.join(empty)}; each of {', '.join(SPLITS)} needs at least one")
    return raw


def _raw_files(project: Project, config: Config, model: Model) -> Mapping[str, Sequence[Path]]:
    data = config.data
    if data.source == "sample":
        if not project.sample.is_dir():
            raise DataError(f"{project.sample} is missing: `git checkout sample`, or use another data.source")
        return _sorted(model, project.sample)
    if data.source == "simulate":
        folder = _raw_folder(project, config)
        if _is_simulated(project, config):
            return _sorted(model, folder)
        files = model.simulate(folder, size=data.size, seed=config.seed, processes=data.processes, **data.simulation)
        provenance.record(folder, project, config, "data", inputs={})
        return files
    if data.source == "doi":
        return _fetched(project, config, model)
    if data.folder is None or not data.folder.is_dir():
        raise DataError(f"data.folder: got {data.folder}, expected a folder with raw files for data.source=folder")
    return _sorted(model, data.folder)


def _raw_folder(project: Project, config: Config) -> Path:
    return project.data / "raw" / store_folder(project, config).name


def _is_simulated(project: Project, config: Config) -> bool:
    return (_raw_folder(project, config) / provenance.FILE).is_file()


def _fetched(project: Project, config: Config, model: Model) -> Mapping[str, Sequence[Path]]:
    from ..archives.fetch import fetch

    doi = project.dataset.doi
    if doi is None:
        raise DataError(
            "project.yaml: dataset.doi is missing, but data.source is doi; name the DOI or use another source"
        )

    def choose(names: Sequence[str]) -> list[str]:
        needed = [name for group in model.published(names).values() for name in group]
        wanted = config.data.files
        return [name for name in needed if not wanted or any(Path(name).match(glob) for glob in wanted)]

    folder = _record_folder(project, doi)
    # Only what was asked for and verified counts, whatever else lies in the folder.
    paths = {file.name: file.path for file in fetch(doi, folder, choose=choose).files}
    return {split: [paths[name] for name in group] for split, group in model.published(sorted(paths)).items()}


def _record_folder(project: Project, doi: str) -> Path:
    return project.data / "raw" / doi.replace("/", "_")


def _sorted(model: Model, folder: Path) -> dict[str, list[Path]]:
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    return {split: [folder / name for name in group] for split, group in model.published(names).items()}


def _converted(project: Project, config: Config, model: Model, files: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Convert one split, unless the store was made from the same files with the same options."""
    inputs = provenance.checksums(project.root, *files)
    done = folder / provenance.FILE
    if done.is_file():
        known = read_json(done)
        if known["inputs"] == inputs and known["options"] == config.data.options:
            counts: dict[str, Any] = known["counts"]
            return counts
    counts = dict(model.convert(files, folder, processes=config.data.processes, **config.data.options))
    log.info("%s: %s", folder.relative_to(project.root), ", ".join(f"{key} {value}" for key, value in counts.items()))
    _note(project, config, files, folder, inputs, counts)
    return counts


def _note(  # noqa: PLR0917
    project: Project,
    config: Config,
    files: Sequence[Path],
    folder: Path,
    inputs: Mapping[str, str],
    counts: Mapping[str, Any],
) -> None:
    """Write down what a store was made of."""
    dataset = {**_described(project, config, files), "bytes": {path.name: path.stat().st_size for path in files}}
    options = config.data.options
    provenance.record(folder, project, config, "data", inputs=inputs, options=options, counts=counts, dataset=dataset)


#: What a simulation tells of itself, and is kept with the data that were made of it.
_SIMULATED = ("generator", "level", "detector", "simulation", "pileup_mean")


def _described(project: Project, config: Config, files: Sequence[Path]) -> dict[str, Any]:
    """Return what is written down beside the files of the data set: title, licence, version, DOI, generator."""
    said: dict[str, Any] = {}
    if config.data.source == "doi" and project.dataset.doi:
        # A record may have folders, so this isn't the folder of a file.
        found = load_manifest(_record_folder(project, project.dataset.doi), project.dataset.doi)
        said = found.model_dump(include={"title", "license", "version"}) if found else {}
        said |= {"doi": project.dataset.doi, "files": found.address if found else None}
    elif config.data.source == "sample":
        noted = read_json(files[0].parent / provenance.FILE)
        said = {key: value for key, value in noted.items() if key in ("title", "license")}
        said["simulated"] = _simulated(noted)
    elif config.data.source == "simulate" and (told := files[0].parent / SIMULATION).is_file():
        said["simulated"] = _simulated(read_json(told))
    return {key: value for key, value in said.items() if value}


def _simulated(noted: Mapping[str, Any]) -> dict[str, Any]:
    """Return how data were simulated; a simulation that says nothing of pile-up has none."""
    if "generator" not in noted:
        return {}
    return {"pileup_mean": 0.0, **{key: noted[key] for key in _SIMULATED if key in noted}}
