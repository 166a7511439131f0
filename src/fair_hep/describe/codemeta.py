"""``codemeta.json``: the code, in the terms of CodeMeta 3.0 (https://w3id.org/codemeta/3.0)."""

from __future__ import annotations

from typing import Any

from ..bundle.files import read_json
from ..provenance.project import Project
from .citation import merged
from .people import authors, doi_url, person, spdx_url

__all__ = ["codemeta"]


def codemeta(project: Project) -> dict[str, Any]:
    """Return ``codemeta.json``; what else the project's own file holds (keywords, platforms) is kept."""
    own = project.root / "codemeta.json"
    dataset = doi_url(project.dataset.doi)
    said = {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": project.title,
        "description": project.description,
        "version": project.version,
        "identifier": doi_url(project.doi),
        "license": spdx_url(project.licenses.code),
        "author": [person(author) for author in authors(project)],
        "codeRepository": project.repository,
        "supportingData": {"@id": dataset, "@type": "Dataset"} if dataset else None,
        "programmingLanguage": "Python",
    }
    return merged(said, read_json(own) if own.is_file() else {})
