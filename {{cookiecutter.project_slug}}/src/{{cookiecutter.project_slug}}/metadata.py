"""How the project describes itself to archives and to those who cite it: all from ``project.yaml``."""

from __future__ import annotations

from typing import Any

import yaml

from .project import Author, Project

__all__ = ["authors", "citation_cff", "codemeta", "front_matter", "zenodo_json"]

CFF_MESSAGE = "If you use this model, please cite it and the data set that it learned from."


def authors(project: Project) -> list[Author]:
    """Return who to cite; a project that names nobody is cited by its developers."""
    return list(project.authors) or [Author(name=f"The {project.title} developers")]


def citation_cff(project: Project, *, doi: str | None = None) -> str:
    """Return ``CITATION.cff``, version 1.2.0 of the Citation File Format (doi:10.5281/zenodo.5171937)."""
    known = {
        "cff-version": "1.2.0",
        "message": CFF_MESSAGE,
        "type": "software",
        "title": project.title,
        "abstract": project.description,
        "version": project.version,
        "authors": [_cff_author(author) for author in authors(project)],
        "license": project.licenses.code,
        "doi": doi or project.doi,
        "repository-code": project.repository,
        "references": _cff_references(project),
    }
    return _yaml(known)


def _cff_author(author: Author) -> dict[str, Any]:
    family, given = _names(author)
    person = {"family-names": family, "given-names": given} if given else {"name": author.name}
    return _known({**person, "orcid": _orcid_url(author), "email": author.email})


def _cff_references(project: Project) -> list[dict[str, Any]]:
    doi = project.dataset.doi
    if doi is None:
        return []
    # A reference must name authors; who made the data set is in its record, not in this project.
    creators = [{"name": f"Creators of the record {doi}"}]
    return [_known({
        "type": "data", "title": f"Data set {doi}", "doi": doi, "authors": creators, "license": project.licenses.data,
    })]  # fmt: skip


def codemeta(project: Project, *, doi: str | None = None) -> dict[str, Any]:
    """Return ``codemeta.json``, version 3.0 of CodeMeta."""
    identifier = doi or project.doi
    dataset = project.dataset.doi
    return _known({
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": project.title,
        "description": project.description,
        "version": project.version,
        "author": [_person(author) for author in authors(project)],
        "license": f"https://spdx.org/licenses/{project.licenses.code}",
        "identifier": f"https://doi.org/{identifier}" if identifier else None,
        "codeRepository": project.repository,
        "programmingLanguage": "Python",
        "isBasedOn": f"https://doi.org/{dataset}" if dataset else None,
    })  # fmt: skip


def _person(author: Author) -> dict[str, Any]:
    family, given = _names(author)
    if not given:
        return _known({"@type": "Organization", "name": author.name, "email": author.email})
    return _known({
        "@type": "Person", "@id": _orcid_url(author), "familyName": family, "givenName": given, "email": author.email,
    })  # fmt: skip


def zenodo_json(project: Project) -> dict[str, Any]:
    """Return ``.zenodo.json``, what Zenodo reads from a GitHub release (its legacy fields)."""
    related = []
    if project.dataset.doi:
        related.append({"identifier": project.dataset.doi, "relation": "isDerivedFrom", "resource_type": "dataset"})
    return _known({
        "title": project.title,
        "upload_type": "software",
        "description": project.description,
        "version": project.version,
        "creators": [_known({"name": a.name, "orcid": _orcid(a)}) for a in authors(project)],
        "license": project.licenses.code,
        "related_identifiers": related,
    })  # fmt: skip


def front_matter(project: Project, tags: list[str]) -> str:
    """Return the YAML head of the model card, as the Hugging Face Hub reads it."""
    head = {"license": project.licenses.weights.lower(), "library_name": "onnx", "tags": tags}
    return f"---\n{_yaml(head)}---\n"


def _names(author: Author) -> tuple[str, str]:
    family, _, given = author.name.partition(",")
    return family.strip(), given.strip()


def _orcid(author: Author) -> str | None:
    return author.orcid.rstrip("/").rsplit("/", 1)[-1] if author.orcid else None


def _orcid_url(author: Author) -> str | None:
    return f"https://orcid.org/{_orcid(author)}" if author.orcid else None


def _known(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what isn't known."""
    return {key: value for key, value in values.items() if value not in (None, "", [])}


def _yaml(values: dict[str, Any]) -> str:
    return yaml.safe_dump(_known(values), sort_keys=False, allow_unicode=True, width=1000)
