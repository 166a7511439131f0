"""How the project describes itself to archives and to those who cite it: all from ``project.yaml``."""

from __future__ import annotations

from typing import Any

import yaml

from .config import load_yaml
from .files import read_json
from .project import Author, Project

__all__ = ["authors", "citation_cff", "codemeta", "front_matter", "inveniordm", "zenodo_json"]

CFF_MESSAGE = "If you use this model, please cite it and the data set that it learned from."


def authors(project: Project) -> list[Author]:
    """Return who to cite; a project that names nobody is cited by its developers."""
    return list(project.authors) or [Author(name=f"The {project.title} developers")]


def citation_cff(project: Project) -> str:
    """Return ``CITATION.cff``, version 1.2.0 of the Citation File Format (doi:10.5281/zenodo.5171937).

    What ``project.yaml`` says is refreshed; what else the project's own file holds (references, keywords) is kept.
    """
    own = project.root / "CITATION.cff"
    kept = load_yaml(own) if own.is_file() else {"message": CFF_MESSAGE}
    known = {
        "cff-version": "1.2.0",
        "message": kept.get("message"),
        "type": "software",
        "title": project.title,
        "abstract": project.description,
        "version": project.version,
        "doi": project.doi,
        "license": project.licenses.code,
        "repository-code": project.repository,
        "authors": [_cff_author(author) for author in authors(project)],
    }
    return _yaml(_merged(known, kept))


def _cff_author(author: Author) -> dict[str, Any]:
    family, given = _names(author)
    person = {"family-names": family, "given-names": given} if given else {"name": author.name}
    return _known({**person, "orcid": _orcid_url(author), "email": author.email})


def codemeta(project: Project) -> dict[str, Any]:
    """Return ``codemeta.json``, version 3.0 of CodeMeta; what else the project's own file holds is kept."""
    own = project.root / "codemeta.json"
    dataset = project.dataset.doi
    known = {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": project.title,
        "description": project.description,
        "version": project.version,
        "identifier": f"https://doi.org/{project.doi}" if project.doi else None,
        "license": f"https://spdx.org/licenses/{project.licenses.code}",
        "author": [_person(author) for author in authors(project)],
        "codeRepository": project.repository,
        "supportingData": {"@id": f"https://doi.org/{dataset}", "@type": "Dataset"} if dataset else None,
        "programmingLanguage": "Python",
    }
    return _merged(known, read_json(own) if own.is_file() else {})


def _merged(known: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Put what is known before what is kept; where both say something, what is known holds."""
    return _known({**known, **{key: value for key, value in kept.items() if known.get(key) is None}})


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


def inveniordm(project: Project, date: str) -> dict[str, Any]:
    """Return the metadata of a record of the type ``model`` in InvenioRDM, the software behind Zenodo.

    Parameters
    ----------
    date
        Date of publication, ``YYYY-MM-DD``.
    """
    related = []
    if project.dataset.doi:
        related.append({
            "identifier": project.dataset.doi,
            "scheme": "doi",
            "relation_type": {"id": "isderivedfrom"},
            "resource_type": {"id": "dataset"},
        })  # fmt: skip
    return _known({
        "resource_type": {"id": "model"},
        "title": project.title,
        "description": project.description,
        "version": project.version,
        "publication_date": date,
        "creators": [{"person_or_org": _creator(author)} for author in authors(project)],
        "rights": [{"id": project.licenses.weights.lower()}],
        "related_identifiers": related,
        "publisher": "Zenodo",
    })  # fmt: skip


def _creator(author: Author) -> dict[str, Any]:
    family, given = _names(author)
    if not given:
        return {"type": "organizational", "name": author.name}
    identifiers = [{"scheme": "orcid", "identifier": _orcid(author)}] if author.orcid else []
    return _known({"type": "personal", "family_name": family, "given_name": given, "identifiers": identifiers})


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
