"""``.zenodo.json``: what Zenodo reads from a release on GitHub (its legacy fields, which know no models)."""

from __future__ import annotations

from typing import Any

from ..provenance.project import Project
from .people import authors, full_name, known, orcid

__all__ = ["zenodo_json"]


def zenodo_json(project: Project) -> dict[str, Any]:
    """Return ``.zenodo.json``: the release of the code."""
    related = []
    if project.dataset.doi:
        related.append({"identifier": project.dataset.doi, "relation": "references", "resource_type": "dataset"})
    return known({
        "title": project.title,
        "upload_type": "software",
        "description": project.description,
        "version": project.version,
        "creators": [known({"name": full_name(author), "orcid": orcid(author)}) for author in authors(project)],
        "license": project.licenses.code,
        "related_identifiers": related,
    })  # fmt: skip
