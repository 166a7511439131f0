"""``CITATION.cff``: the Citation File Format, version 1.2.0 (doi:10.5281/zenodo.5171937)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..bundle.strict import load_yaml
from ..provenance.project import Author, Project
from .origin import learned_from, reference
from .people import as_yaml, authors, is_person, known, names, orcid_url

__all__ = ["COMPARED", "LEARNED", "UNTOLD", "citation_cff", "merged"]

MESSAGE = "If you use this model, please cite it and the data set that it learned from."
#: What a reference to a data set says of it: without that, every data set in a citation reads as the model's own.
LEARNED = "The model learned from it."
COMPARED = "The model didn't learn from it: a published data set of the same task, for comparison."

#: What the project's own file says before any model is there.
UNTOLD = "A published data set of this task. What a model learned from is written in its bundle."


def citation_cff(project: Project, folder: Path | None = None, *, own: bool = True) -> str:
    """Return the text of ``CITATION.cff``.

    What ``project.yaml`` says is refreshed; what else the project's own file holds (references, keywords) is kept, but
    for the references where the bundle holds no network of its own (``own``). References to the published data say
    whether the model in ``folder`` (by default the project's bundle) learned from them.
    """
    path = project.root / "CITATION.cff"
    kept: dict[str, Any] = load_yaml(path) if path.is_file() else {"message": MESSAGE}
    kept = {key: value for key, value in kept.items() if own or key != "references"}
    if isinstance(kept.get("references"), list):
        kept["references"] = list(_references(kept["references"], project, folder or project.bundle))
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


def _references(found: Sequence[Any], project: Project, folder: Path) -> Iterator[Any]:
    """Say of the published data what they are to the model; other references, and what nobody knows yet, stay."""
    known = {learned_from(folder): LEARNED, reference(project, folder): COMPARED} if folder.is_dir() else {}
    for entry in found:
        said = known.get(entry.get("doi")) if isinstance(entry, dict) and entry.get("doi") else None
        if said is None:
            yield entry
            continue
        notes = str(entry.get("notes", ""))
        for earlier in (LEARNED, COMPARED, UNTOLD):
            notes = notes.replace(earlier, "")
        yield {**entry, "notes": " ".join([said, *notes.split()])}


def _author(author: Author) -> dict[str, Any]:
    family, given = names(author)
    entry = {"family-names": family, "given-names": given} if is_person(author) else {"name": author.name}
    return known({**entry, "orcid": orcid_url(author), "email": author.email})


def merged(said: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Put what the project says before what its file adds.

    A key that the project may say is the project's alone: what it doesn't say any more is no longer true.
    """
    return known({**said, **{key: value for key, value in kept.items() if key not in said}})
