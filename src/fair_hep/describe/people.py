"""Who is named, and how the formats write names, identifiers and licences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from ..provenance.project import Author, Project

__all__ = ["as_yaml", "authors", "doi_url", "known", "names", "orcid", "orcid_url", "person", "refs", "spdx_url"]


def authors(project: Project) -> list[Author]:
    """Return who to cite; a project that names nobody is cited by its developers."""
    return list(project.authors) or [Author(name=f"The {project.title} developers")]


def names(author: Author) -> tuple[str, str]:
    """Return family name and given name; a group has no given name."""
    family, _, given = author.name.partition(",")
    return family.strip(), given.strip()


def orcid(author: Author) -> str | None:
    """Return the bare ORCID."""
    return author.orcid.rstrip("/").rsplit("/", 1)[-1] if author.orcid else None


def orcid_url(author: Author) -> str | None:
    """Return the ORCID as an address."""
    return f"https://orcid.org/{orcid(author)}" if author.orcid else None


def person(author: Author) -> dict[str, Any]:
    """Return an author as schema.org has it: a person, or an organization where there is no given name."""
    family, given = names(author)
    if not given:
        return known({"@type": "Organization", "name": author.name, "email": author.email})
    return known({
        "@type": "Person", "@id": orcid_url(author), "familyName": family, "givenName": given, "email": author.email,
    })  # fmt: skip


def doi_url(doi: str | None) -> str | None:
    """Return the address of a DOI."""
    return f"https://doi.org/{doi}" if doi else None


def spdx_url(licence: str | None) -> str | None:
    """Return the address of an SPDX licence."""
    return f"https://spdx.org/licenses/{licence}" if licence else None


def refs(ids: Iterable[str]) -> dict[str, str] | list[dict[str, str]]:
    """Return references to entities of a JSON-LD graph: one stands alone, as RO-Crate wants it."""
    found = [{"@id": name} for name in ids]
    return found[0] if len(found) == 1 else found


def known(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what isn't known."""
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


def as_yaml(values: dict[str, Any]) -> str:
    """Return YAML in the order of the keys, without what isn't known."""
    return yaml.safe_dump(known(values), sort_keys=False, allow_unicode=True, width=1000)
