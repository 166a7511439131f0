"""What made an output folder: written last, so that a folder without it is unfinished."""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ..bundle.errors import MissingStepError
from ..bundle.files import read_json, sha256, write_json
from ..bundle.parts import FILE
from .configuration import Config
from .git import git_commit
from .library import installed
from .project import Project

__all__ = ["FILE", "checksums", "provenance_text", "record", "require", "versions"]

_LIBRARIES = (
    "torch",
    "lightning",
    "torch-geometric",
    "numpy",
    "onnx",
    "onnxruntime",
    "mlflow-skinny",
    "pythia8mc",
    "fastjet",
)


def record(
    folder: Path,
    project: Project,
    config: Config | None,
    verb: str,
    *,
    inputs: Mapping[str, str],
    without: Sequence[str] = (),
    **more: Any,
) -> None:
    """Write ``provenance.json`` into a finished folder.

    Parameters
    ----------
    folder
        Folder that the verb made.
    project, config
        What it was made for and with.
    verb
        The command.
    inputs
        SHA-256 checksums of the files that were read, by path relative to the project.
    without
        Sections of the configuration that made nothing here.
    more
        Anything else worth knowing, as JSON values.
    """
    configuration = config.model_dump(mode="json", by_alias=True, exclude=set(without)) if config else None
    values = {
        "command": verb,
        "project": {"title": project.title, "version": project.version, "model": project.model},
        "configuration": configuration,
        "seed": config.seed if config else None,
        "inputs": dict(inputs),
        "git_commit": git_commit(project.root),
        "library": installed()._asdict(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **more,
    }
    write_json(folder / FILE, values)


def provenance_text(config: Config) -> str:
    """Return what made a data file as JSON text, for files that may travel without their folder."""
    values = {"configuration": config.model_dump(mode="json", by_alias=True), "versions": versions()}
    return json.dumps(values, sort_keys=True)


def require(folder: Path, verb: str, root: Path | None = None) -> dict[str, Any]:
    """Return the provenance of a finished folder.

    Raises
    ------
    MissingStepError
        If the verb hasn't finished there.
    """
    path = folder / FILE
    if not path.is_file():
        shown = path.relative_to(root) if root and path.is_relative_to(root) else path
        raise MissingStepError(shown, verb)
    values: dict[str, Any] = read_json(path)
    return values


def checksums(root: Path, *files: Path) -> dict[str, str]:
    """Return the SHA-256 checksums of files, by path relative to ``root`` (by name where they lie elsewhere)."""
    return {str(f.relative_to(root)) if f.is_relative_to(root) else f.name: sha256(f) for f in files}


def versions() -> dict[str, str]:
    """Return the versions of the libraries that compute."""
    return {name: version for name in _LIBRARIES if (version := _version(name))}


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
