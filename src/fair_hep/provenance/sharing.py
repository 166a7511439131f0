"""Parts of a verb's work: what each of them notes, and that all of them are what is wanted here.

What a part was made from is one checksum: of what the verb names, and of the versions that compute. The files of a
part stand in its provenance with their own, so that a copy that was cut short, or weights of another training, are
found when parts are joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..bundle.errors import ProjectError
from ..bundle.files import read_json, sha256
from ..bundle.parts import FILE, KEY, Part, belonging, parts_folder, require_parts, shown
from .configuration import Config
from .library import installed
from .project import Project
from .steps import record, versions

__all__ = ["begin_part", "belongs_to", "record_part", "whole_parts"]


def belongs_to(made_from: Any) -> str:
    """Return a checksum of what parts are made from, JSON values, and of the versions that make them."""
    return belonging([made_from, installed()._asdict(), versions()])


def begin_part(result: Path, part: Part) -> Path:
    """Return the folder of a part, which isn't finished any more; what lies in it stays."""
    folder = parts_folder(result) / part.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).unlink(missing_ok=True)
    return folder


def record_part(
    folder: Path,
    project: Project,
    config: Config,
    verb: str,
    *,
    made_from: Any,
    files: Iterable[Path],
    inputs: Mapping[str, str],
    **more: Any,
) -> dict[str, Any]:
    """Finish a part: write its provenance; return what a verb tells of it."""
    sums = {str(path.relative_to(folder)): sha256(path) for path in files}
    record(folder, project, config, verb, inputs=inputs, files=sums, **{KEY: belongs_to(made_from)}, **more)
    place = shown(folder, project.root)
    return {"headline": [f"{place}: {len(sums)} files"], "folder": place, "files": list(sums)}


def whole_parts(
    result: Path, of: int, verb: str, project: Project, made_from: Any
) -> Iterator[tuple[Part, list[Path]]]:
    """Give all parts in order with their files, after each of them was looked at.

    Raises
    ------
    MissingStepError
        If a part isn't there.
    ProjectError
        If parts were made from different things, from others than those here, or a file isn't what was noted.
    """
    folders, wanted = require_parts(result, of, verb, project.root), belongs_to(made_from)
    for number, folder in enumerate(folders, 1):
        made, again = read_json(folder / FILE), f"make it again by `{verb} --part {number}/{of}`"
        if made[KEY] != wanted:
            raise ProjectError(
                f"{shown(folder, project.root)}: was made from other weights, data, settings or versions than those "
                f"here; {again}"
            )
        files = [folder / name for name in made["files"]]
        for path in files:
            if not path.is_file() or sha256(path) != made["files"][str(path.relative_to(folder))]:
                raise ProjectError(f"{shown(path, project.root)}: isn't what its part noted; {again}")
        yield Part(number, of), files
