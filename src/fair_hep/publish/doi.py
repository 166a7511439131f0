"""The DOI of a version: one line in ``project.yaml``, from where it reaches every description; graphs never change."""

from __future__ import annotations

import re

from .. import bundle
from ..bundle.errors import BundleError
from ..bundle.files import write_text
from ..provenance.project import Project, load_project

__all__ = ["check_graphs", "write_doi"]

_KEY = re.compile(r"^doi:.*$", re.MULTILINE)
_VERSION = re.compile(r"^version:.*$", re.MULTILINE)


def write_doi(project: Project, doi: str) -> Project:
    """Write the DOI of this version into ``project.yaml``, and leave every other line as it is; return the project."""
    if project.doi == doi:
        return project
    path = project.root / "project.yaml"
    text, line = path.read_text(encoding="utf-8"), f'doi: "{doi}"'
    changed, count = _KEY.subn(line, text, count=1)
    if not count:
        changed, count = _VERSION.subn(lambda found: f"{found[0]}\n{line}", text, count=1)
    write_text(path, changed if count else f"{line}\n{text}")
    return load_project(project.root)


def check_graphs(project: Project) -> None:
    """Refuse graphs that carry another DOI: they, the weights and the examples never change after ``export``.

    Raises
    ------
    BundleError
        If one does; graphs without a DOI are fine.
    """
    from ..bundle.session import session

    for name in (bundle.MODEL, bundle.EXPLAINED):
        path = project.bundle / name
        carried = session(path).get_modelmeta().custom_metadata_map.get("doi") if path.is_file() else None
        if carried not in (None, project.doi):
            line = f"{path.parent.name}/{name}: its DOI is {carried}, expected {project.doi}: run `export` again"
            raise BundleError(line)
