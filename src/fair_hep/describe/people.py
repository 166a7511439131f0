"""Who is named, and how the formats write names, identifiers and licences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from ..provenance.project import Author, Project

__all__ = [
    "as_yaml", "authors", "doi_url", "full_name", "guessed", "is_person", "known", "names", "orcid", "orcid_url",
    "person", "refs", "spdx_url",
]  # fmt: skip


def authors(project: Project) -> list[Author]:
    """Return who to cite; a project that names nobody is cited by its developers."""
    return list(project.authors) or [Author(name=f"The {project.title} developers")]


def names(author: Author) -> tuple[str, str]:
    """Return family name and given name; a group has no given name.

    Who has an ORCID is a person. Where no comma tells the names apart, the last word is taken for the family name.

    Examples
    --------
    >>> names(Author(name="Ada Lovelace", orcid="0000-0002-1825-0097")), names(Author(name="The ABC Collaboration"))
    (('Lovelace', 'Ada'), ('The ABC Collaboration', ''))
    """
    family, comma, given = author.name.partition(",")
    if author.orcid and not comma:
        given, _, family = author.name.strip().rpartition(" ")
    return family.strip(), given.strip()


def is_person(author: Author) -> bool:
    """Say whether an author is a person: who has a given name, or an ORCID."""
    return bool(author.orcid or names(author)[1])


def guessed(author: Author) -> str | None:
    """Return what to say of names that had to be taken apart; None if they were given apart."""
    family, given = names(author)
    if not author.orcid or "," in author.name:
        return None
    return (
        f"project.yaml: {author.name!r} has an ORCID, so this is a person: family name {family!r}, given name "
        f"{given!r}; if that is wrong, write the name as 'Family, Given'"
    )


def full_name(author: Author) -> str:
    """Return a name as records have it: 'Family, Given', or that of a group."""
    return ", ".join(filter(None, names(author)))


def orcid(author: Author) -> str | None:
    """Return the bare ORCID."""
    return author.orcid.rstrip("/").rsplit("/", 1)[-1] if author.orcid else None


def orcid_url(author: Author) -> str | None:
    """Return the ORCID as an address."""
    return f"https://orcid.org/{orcid(author)}" if author.orcid else None


def person(author: Author) -> dict[str, Any]:
    """Return an author as schema.org has it: a person, or an organization."""
    family, given = names(author)
    if not is_person(author):
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
