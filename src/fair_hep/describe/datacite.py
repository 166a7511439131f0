"""``datacite.json``: the model as DataCite registers it, schema 4.5 (doi:10.14454/g8e5-6293)."""

from __future__ import annotations

from typing import Any

from ..provenance.project import Author
from .facts import Facts
from .people import authors, full_name, is_person, known, names, orcid_url, spdx_url

__all__ = ["datacite"]


def datacite(facts: Facts) -> dict[str, Any]:
    """Return the record of the bundle; without a DOI it is what would be registered once there is one."""
    project = facts.project
    return known({
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "doi": project.doi,
        "types": {"resourceTypeGeneral": "Model", "resourceType": "Trained machine-learning model"},
        "creators": [_creator(author) for author in authors(project)],
        "titles": [{"title": project.title}],
        "publisher": {"name": "Zenodo"},
        "publicationYear": facts.made[:4],
        "dates": [{"date": facts.made, "dateType": "Created"}],
        "subjects": [{"subject": subject} for subject in facts.keywords],
        "language": "en",
        "version": project.version,
        "rightsList": [_rights(project.licenses.weights)],
        "descriptions": [{"description": project.description, "descriptionType": "Abstract"}],
        "relatedIdentifiers": _related(facts),
        "formats": ["ONNX", *(["safetensors"] if facts.signature.trainable else []), "JSON", "NumPy"],
    })  # fmt: skip


def _creator(author: Author) -> dict[str, Any]:
    family, given = names(author)
    if not is_person(author):
        return {"name": author.name, "nameType": "Organizational"}
    identifier = {
        "nameIdentifier": orcid_url(author),
        "nameIdentifierScheme": "ORCID",
        "schemeUri": "https://orcid.org",
    }
    return known({
        "name": full_name(author),
        "nameType": "Personal",
        "familyName": family,
        "givenName": given,
        "nameIdentifiers": [identifier] if author.orcid else [],
    })  # fmt: skip


def _rights(licence: str) -> dict[str, Any]:
    return {
        "rights": licence,
        "rightsUri": spdx_url(licence),
        "rightsIdentifier": licence,
        "rightsIdentifierScheme": "SPDX",
        "schemeUri": "https://spdx.org/licenses/",
    }


def _related(facts: Facts) -> list[dict[str, Any]]:
    """Name the data, the paper of the architecture, and the code."""
    project, related = facts.project, []
    if facts.learned_from and facts.signature.trainable:
        related.append(_link(facts.learned_from, "DOI", "IsDerivedFrom", "Dataset"))
    if facts.reference:
        related.append(_link(facts.reference, "DOI", "References", "Dataset"))
    if facts.citation.get("doi"):
        related.append(_link(facts.citation["doi"], "DOI", "Cites", "JournalArticle"))
    if project.repository:
        related.append(_link(project.repository, "URL", "IsCompiledBy", "Software"))
    return related


def _link(identifier: str, scheme: str, relation: str, kind: str) -> dict[str, Any]:
    return {
        "relatedIdentifier": identifier,
        "relatedIdentifierType": scheme,
        "relationType": relation,
        "resourceTypeGeneral": kind,
    }
