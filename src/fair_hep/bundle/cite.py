"""How to cite a bundle: its ``CITATION.cff`` as text and as BibTeX, without any tool for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from .errors import BundleError, ConfigError, MissingStepError
from .files import read_json, sha256
from .folder import SUMS
from .strict import validate
from .text import parse_yaml

__all__ = ["CITATION", "Citation", "cite"]

CITATION = "CITATION.cff"
#: Characters that mean something in BibTeX.
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


@dataclass(frozen=True)
class Citation:
    """How to cite something.

    Parameters
    ----------
    text
        One line for the work itself, and one for each of its references.
    bibtex
        The same as BibTeX entries.

    Examples
    --------
    >>> from fair_hep import load
    >>> citation = load("bundle").cite()
    >>> print(citation.bibtex.splitlines()[0])
    @misc{lovelace_2026,
    """

    text: str
    bibtex: str

    def __str__(self) -> str:
        return self.text


class _Loose(BaseModel):
    """A part of the file: what else it holds doesn't matter here."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Author(_Loose):
    family: str = Field("", alias="family-names")
    given: str = Field("", alias="given-names")
    particle: str = Field("", alias="name-particle")
    suffix: str = Field("", alias="name-suffix")
    name: str = ""

    @property
    def person(self) -> str:
        """The family name with what belongs to it; empty for a group."""
        return " ".join(part for part in (self.particle, self.family, self.suffix) if part)


class _Work(_Loose):
    title: str
    authors: list[_Author] = []
    kind: str = Field("software", alias="type")
    version: str = ""
    doi: str = ""
    url: str = ""
    code: str = Field("", alias="repository-code")
    date: str = Field("", alias="date-released")
    year: str = ""
    howpublished: str = ""
    journal: str = ""
    volume: str = ""
    pages: str = ""
    notes: str = ""

    @property
    def published(self) -> str:
        """The year; empty if it isn't known."""
        return self.year or self.date[:4]

    @property
    def address(self) -> str:
        """Where it is found."""
        return f"https://doi.org/{self.doi}" if self.doi else self.url or self.code


class _File(_Work):
    preferred: _Work | None = Field(None, alias="preferred-citation")
    references: list[_Work] = []


def cite(folder: Path) -> Citation:
    """Return how to cite a bundle, and what it refers to.

    The file follows the Citation File Format 1.2.0 (doi:10.5281/zenodo.5171937); a preferred citation takes the place
    of the work itself.

    Raises
    ------
    MissingStepError
        If there is no ``CITATION.cff``.
    BundleError
        If it can't be read.
    """
    path = folder / CITATION
    if not path.is_file():
        raise MissingStepError(f"{folder.name}/{CITATION}", "export")
    known = _read(path, f"{folder.name}/{CITATION}")
    works = [_placed(folder, known.preferred or known), *known.references]
    keys = [_key(work) for work in works]
    # Two works of one author and year are told apart by their place.
    keys = [key if keys.count(key) == 1 else f"{key}_{number}" for number, key in enumerate(keys, start=1)]
    entries = [_entry(key, work) for key, work in zip(keys, works, strict=True)]
    return Citation("\n".join(_line(work) for work in works), "\n\n".join(entries) + "\n")


def _placed(folder: Path, work: _Work) -> _Work:
    """Return the work with what its file doesn't say: year of the export, and how an unpublished one is known again.

    Parameters
    ----------
    folder
        The bundle.
    work
        What its file says.
    """
    said: dict[str, str] = {}
    made, sums = folder / "provenance.json", folder / SUMS
    if not work.published and made.is_file():
        said["year"] = _year(read_json(made))
    if not work.address and sums.is_file():
        said["howpublished"] = f"unpublished; SHA-256 of its {SUMS}: {sha256(sums)}"
    return work.model_copy(update=said)


def _year(made: Any) -> str:
    return str(made.get("finished", ""))[:4] if isinstance(made, Mapping) else ""


def _read(path: Path, where: str) -> _File:
    try:
        # Plain text for every value: a version 0.10 stays what it is, and so does a date.
        return validate(_File, parse_yaml(path.read_text(encoding="utf-8"), plain=True), where)
    except ValueError as error:
        raise BundleError(f"{where}: {error}") from error
    except ConfigError as error:
        raise BundleError(str(error)) from error


def _line(work: _Work) -> str:
    names = [f"{author.person}, {_initials(author.given)}".rstrip(", ") or author.name for author in work.authors]
    version = f" (version {work.version})" if work.version else ""
    place = " ".join(part for part in (work.journal, work.volume, work.pages) if part)
    year = f"({work.published})" if work.published else ""
    found = work.address or work.howpublished
    parts = ["; ".join(filter(None, names)), year, f"{work.title}{version}", place, found]
    told = f" ({work.notes.rstrip('.')})" if work.notes else ""
    return ". ".join(part.rstrip(".") for part in parts if part) + told


def _initials(given: str) -> str:
    return " ".join(f"{name[0]}." for name in re.split(r"[\s.]+", given) if name)


def _key(work: _Work) -> str:
    first = work.authors[0] if work.authors else None
    name = (first.family or first.name) if first else work.title
    return re.sub(r"[^a-z0-9]+", "_", f"{name} {work.published or work.version}".lower()).strip("_") or "work"


def _entry(key: str, work: _Work) -> str:
    kind = "article" if work.kind == "article" else "misc"
    lines = [f"  {name} = {{{value}}}," for name, value in _fields(work) if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _fields(work: _Work) -> Iterator[tuple[str, str]]:
    people = [
        ", ".join(_escaped(part) for part in (author.person, author.given) if part)
        if author.person
        else f"{{{_escaped(author.name)}}}"
        for author in work.authors
        if author.person or author.name
    ]
    yield "author", " and ".join(people)
    # A second pair of braces keeps the capitals.
    yield "title", f"{{{_escaped(work.title)}}}"
    yield "version", _escaped(work.version)
    yield "journal", _escaped(work.journal)
    yield "volume", _escaped(work.volume)
    yield "pages", _escaped(work.pages)
    yield "year", work.published
    yield "howpublished", _escaped(work.howpublished)
    yield "note", _escaped(work.notes)
    # An address is taken as it is; braces would end the field.
    yield "doi", re.sub(r"[{}\\]", "", work.doi)
    yield "url", re.sub(r"[{}\\]", "", work.address)


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))
