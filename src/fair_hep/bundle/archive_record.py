"""What a record of an archive says of its files, whichever archive it is, and how a DOI is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError

from .errors import DataError

__all__ = ["ReadsJson", "Record", "RecordFile", "creative_commons", "normalise", "validated"]

T = TypeVar("T", bound=BaseModel)

_DOI = re.compile(r"10\.\d{4,9}/[-._;()/:A-Za-z0-9]+")
_HEXADECIMAL = {"adler32": 8, "md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_CHECKSUM = "|".join(f"{name}:[0-9a-f]{{{length}}}" for name, length in _HEXADECIMAL.items())
_LICENCE = re.compile(r"/(?:licenses/([a-z-]+)|publicdomain/zero)/(\d\.\d)(?:/|$)")


class RecordFile(BaseModel):
    """A file as its record describes it: the key is its name, the checksum is ``algorithm:hexadecimal``.

    ``barred`` says why it can't be fetched, and ``elsewhere`` whether its archive may send us to another host for it.
    """

    key: str
    size: int = Field(ge=0)
    checksum: str = Field(pattern=rf"^({_CHECKSUM})$")
    link: str
    barred: str | None = None
    elsewhere: bool = False


class Record(BaseModel):
    """A record, with its own DOI; ``version`` is there where versions share a DOI or a number."""

    number: int
    doi: str
    version: str | None = None
    title: str | None = None
    license: str | None = None
    page: str | None = None
    files: Sequence[RecordFile] = ()


class ReadsJson(Protocol):
    """What reads the JSON at an address; ``what`` names it in messages."""

    def read_json(self, url: str, what: str) -> Any:
        """Return it."""
        ...


def normalise(doi: str) -> str:
    """Return the bare DOI; ``doi:`` and the address of a resolver in front are taken off.

    Raises
    ------
    DataError
        If it isn't written like a DOI.

    Examples
    --------
    >>> normalise("https://doi.org/10.5281/zenodo.2603256")
    '10.5281/zenodo.2603256'
    """
    bare = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)", "", doi.strip(), flags=re.IGNORECASE)
    if not _DOI.fullmatch(bare):
        raise DataError(f"DOI: got {doi!r}, expected for example 10.5281/zenodo.2603256")
    return bare


def validated(kind: type[T], answer: Any, doi: str) -> T:
    """Read what an archive answered.

    Raises
    ------
    DataError
        If it isn't a record.
    """
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise DataError(
            f"DOI {doi}: the record's {place or 'description'} is wrong: {problem['msg'][:100].lower()}; "
            "look at the record's page"
        ) from error


def creative_commons(address: str | None, name: str | None) -> str | None:
    """Return the SPDX identifier of a Creative Commons licence, from its address; else the name.

    Examples
    --------
    >>> creative_commons("https://creativecommons.org/licenses/by/4.0/", "CC BY 4.0")
    'CC-BY-4.0'
    """
    parts = urlsplit(address or "")
    found = _LICENCE.match(parts.path) if (parts.hostname or "").endswith("creativecommons.org") else None
    return f"CC-{(found[1] or '0').upper()}-{found[2]}".replace("CC-0-", "CC0-") if found else name
