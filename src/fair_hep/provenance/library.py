"""Which ``fair_hep`` this is: a wheel with its checksum, or a folder that somebody works in."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from ..bundle.errors import ConfigError
from ..bundle.files import sha256
from .git import git_commit

__all__ = ["Library", "installed", "require_pinned"]

NAME = "fair-hep"
_REFERENCE = re.compile(r"fair-hep *@ *\{root:uri\}/(?P<wheel>[^#]+)#sha256=(?P<sha256>[0-9a-f]{64})")


class Library(NamedTuple):
    """What ran: of a wheel its checksum, if it was installed from a file; in place the commit, if git knows one."""

    version: str | None
    sha256: str | None = None
    in_place: bool = False
    commit: str | None = None


def installed() -> Library:
    """Return which library runs, as every ``provenance.json`` says it."""
    folder = Path(__file__).parents[1]
    try:
        found = metadata.distribution(NAME)
    except metadata.PackageNotFoundError:
        return Library(None, in_place=True, commit=git_commit(folder))
    # An editable installation, or a folder that comes before it on the path, lies elsewhere than its metadata.
    if Path(str(found.locate_file(folder.name))).resolve() != folder.resolve():
        return Library(found.version, in_place=True, commit=git_commit(folder))
    origin = json.loads(found.read_text("direct_url.json") or "{}").get("archive_info", {})
    return Library(found.version, origin.get("hashes", {}).get("sha256"))


def require_pinned(root: Path) -> None:
    """Refuse to run another library than the one that a project's ``pyproject.toml`` refers to.

    A library that is worked on in place may be any; a project without such a reference asks for none.

    Raises
    ------
    ConfigError
        If the wheel in the project is missing or damaged, or another one is installed.
    """
    reference = _reference(root / "pyproject.toml")
    library = installed()
    if reference is None or library.in_place:
        return
    wheel, pinned = root / reference["wheel"], reference["sha256"]
    if not wheel.is_file():
        raise ConfigError(f"{reference['wheel']}: there is no such file, and pyproject.toml asks for it: restore it")
    if (found := sha256(wheel)) != pinned:
        raise ConfigError(
            f"{reference['wheel']}: damaged or replaced: got SHA-256 {found[:12]}..., expected {pinned[:12]}... as in "
            "pyproject.toml: restore it"
        )
    # An installer that keeps no checksum keeps the version, which names the contents.
    if (library.sha256 or pinned, library.version) != (pinned, wheel.name.split("-")[1]):
        raise ConfigError(
            f"fair-hep {library.version} is installed, not {wheel.name} as pyproject.toml asks: run `make install`, or "
            "`pip install -e .`"
        )


def _reference(settings: Path) -> re.Match[str] | None:
    if not settings.is_file():
        return None
    declared = tomllib.loads(settings.read_text(encoding="utf-8")).get("project", {}).get("dependencies", [])
    return next((found for line in declared if (found := _REFERENCE.fullmatch(line))), None)
