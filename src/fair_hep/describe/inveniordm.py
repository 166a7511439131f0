"""The record of a model in InvenioRDM, the software behind Zenodo."""

from __future__ import annotations

from typing import Any

from ..provenance.project import Author, Project
from .origin import learned_from, reference
from .people import authors, is_person, known, names, orcid

__all__ = ["inveniordm"]


def inveniordm(project: Project, date: str) -> dict[str, Any]:
    """Return the metadata of a record of the type ``model``.

    Parameters
    ----------
    project
        Whose bundle the record holds; the bundle says which data the model learned from.
    date
        Date of publication, ``YYYY-MM-DD``.
    """
    relations = {"isderivedfrom": learned_from(project.bundle), "references": reference(project, project.bundle)}
    related = [
        {
            "identifier": doi,
            "scheme": "doi",
            "relation_type": {"id": relation},
            "resource_type": {"id": "dataset"},
        }
        for relation, doi in relations.items()
        if doi
    ]
    return known({
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
    family, given = names(author)
    if not is_person(author):
        return {"type": "organizational", "name": author.name}
    identifiers = [{"scheme": "orcid", "identifier": orcid(author)}] if author.orcid else []
    return known({"type": "personal", "family_name": family, "given_name": given, "identifiers": identifiers})
