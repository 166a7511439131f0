"""``CITATION.cff``: the Citation File Format, version 1.2.0 (doi:10.5281/zenodo.5171937)."""

from __future__ import annotations

from typing import Any

from ..bundle.strict import load_yaml
from ..provenance.project import Author, Project
from .people import as_yaml, authors, known, names, orcid_url

__all__ = ["citation_cff", "merged"]

MESSAGE = "If you use this model, please cite it and the data set that it learned from."


def citation_cff(project: Project, *, own: bool = True) -> str:
    """Return the text of ``CITATION.cff``.

    What ``project.yaml`` says is refreshed; what else the project's own file holds (references, keywords) is kept, but
    for the references where the bundle holds no network of its own (``own``).
    """
    path = project.root / "CITATION.cff"
    kept = load_yaml(path) if path.is_file() else {"message": MESSAGE}
    kept = {key: value for key, value in kept.items() if own or key != "references"}
    said = {
        "cff-version": "1.2.0",
        "message": kept.get("message"),
        "type": "software",
        "title": project.title,
        "abstract": project.description,
        "version": project.version,
        "doi": project.doi,
        "license": project.licenses.code,
        "repository-code": project.repository,
        "authors": [_author(author) for author in authors(project)],
    }
    return as_yaml(merged(said, kept))


def _author(author: Author) -> dict[str, Any]:
    family, given = names(author)
    entry = {"family-names": family, "given-names": given} if given else {"name": author.name}
    return known({**entry, "orcid": orcid_url(author), "email": author.email})


def merged(said: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Put what the project says before what its file adds.

    A key that the project may say is the project's alone: what it doesn't say any more is no longer true.
    """
    return known({**said, **{key: value for key, value in kept.items() if key not in said}})
