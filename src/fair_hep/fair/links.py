"""Identifiers, resolved when asked: they lead to what they name, and a registry holds the description."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from .evidence import Case, Failure, Unpublished
from .identity import identifier, orcid_is_valid

__all__ = ["registered", "resolves"]

RESOLVER = "https://doi.org/"
#: The media type under which registries give what they hold, whatever became of the object itself.
CITEPROC = "application/vnd.citationstyles.csl+json"
_TIMEOUT = 30.0


def resolves(case: Case) -> str:
    """Follow the model's DOI, that of the data set, the ORCIDs and the repository to where they lead."""
    identifier(case)
    if not case.online:
        raise Unpublished("links are resolved with --online only")
    dead = []
    links = list(_links(case))
    for link in links:
        answer = _get(link, "text/html")
        if answer.status_code >= 400:
            dead.append(f"{link} gives {answer.status_code}")
    if dead:
        raise Failure("; ".join(dead), "correct the identifier in project.yaml, or publish what it names")
    return f"{len(links)} links lead somewhere over https: {', '.join(links)}"


def registered(case: Case) -> str:
    """Ask the registry of DOIs for its own copy of the description."""
    identifier(case)
    if not case.online:
        raise Unpublished("the registry is asked with --online only")
    link = f"{RESOLVER}{case.project.doi}"
    answer = _get(link, CITEPROC)
    if answer.status_code >= 400:
        raise Failure(f"{link} gives {answer.status_code}, so no description is registered", "publish the draft")
    try:
        values = answer.json()
    except ValueError as error:
        raise Failure(f"{link} gives no description as JSON", "look at the record in its archive") from error
    title = values.get("title") if isinstance(values, dict) else None
    if not title:
        raise Failure(f"{link}: the description has no title", "look at the record in its archive")
    return f"the registry describes {case.project.doi}: {title}"


def _links(case: Case) -> Iterator[str]:
    project = case.project
    yield f"{RESOLVER}{project.doi}"
    if project.dataset.doi:
        yield f"{RESOLVER}{project.dataset.doi}"
    for author in project.authors:
        if author.orcid and orcid_is_valid(author.orcid):
            yield f"https://orcid.org/{author.orcid.rsplit('/', 1)[-1]}"
    if project.repository:
        yield project.repository


def _get(link: str, accept: str) -> Any:
    from .programs import needs

    needs("requests", "requests")
    import requests

    trust = os.environ.get("SSL_CERT_FILE") or True
    try:
        return requests.get(link, headers={"Accept": accept}, timeout=_TIMEOUT, verify=trust, stream=True)
    except requests.RequestException as error:
        raise Failure(f"{link}: {type(error).__name__}", "try again with a network, or without --online") from error
