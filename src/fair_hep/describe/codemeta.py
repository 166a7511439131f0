"""``codemeta.json``: the code, in the terms of CodeMeta 3.0 (https://w3id.org/codemeta/3.0)."""

from __future__ import annotations

from typing import Any

from ..bundle.files import read_json
from ..provenance.project import Project
from .citation import merged
from .origin import learned_from, reference
from .people import authors, doi_url, person, spdx_url

__all__ = ["codemeta"]


def codemeta(project: Project) -> dict[str, Any]:
    """Return ``codemeta.json``; what else the project's own file holds (keywords, platforms) is kept.

    The data that the model in the bundle learned from are its supporting data; the published data set that it only
    resembles, or that nothing has learned from yet, is a citation.
    """
    path = project.root / "codemeta.json"
    own = read_json(path) if path.is_file() else {}
    learned = doi_url(learned_from(project.bundle))
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
        "supportingData": {"@id": learned, "@type": "Dataset"} if learned else None,
        "citation": _citations(own.get("citation"), learned, doi_url(reference(project, project.bundle))),
        "programmingLanguage": "Python",
    }
    return merged(said, own)


def _citations(found: Any, learned: str | None, referred: str | None) -> Any:
    """Return what the project's own file cites, and the data set that is a reference; one alone stands without a list.

    What the model learned from is no citation any more.
    """
    cited = found if isinstance(found, list) else [found] if found else []
    ours = {learned, referred} - {None}
    kept = [entry for entry in cited if not (isinstance(entry, dict) and entry.get("@id") in ours)]
    if referred:
        kept.append({"@id": referred, "@type": "Dataset"})
    return kept[0] if len(kept) == 1 else kept
