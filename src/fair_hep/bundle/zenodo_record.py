"""What a record of Zenodo says: its files with sizes and checksums, its title and licence."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import AliasChoices, AliasPath, BaseModel, Field

from .archive_record import ReadsJson, Record, validated
from .errors import DataError

__all__ = ["HOSTS", "check_link", "number_of", "read_record"]

#: DataCite prefixes of Zenodo; 10.5072 is the test prefix, which only the sandbox uses and doi.org doesn't know.
HOSTS = {"10.5281": "zenodo.org", "10.5072": "sandbox.zenodo.org"}
_LINK = re.compile(r"/(?:api/)?records/(\d+)/files/.+")


class _File(BaseModel):
    key: str
    size: int
    checksum: str
    link: str = Field(validation_alias=AliasPath("links", "self"))


class _Record(BaseModel):
    number: int = Field(validation_alias="id")
    doi: str = Field(validation_alias=AliasChoices("doi", AliasPath("metadata", "doi")))
    concept: int | None = Field(None, validation_alias="conceptrecid")
    title: str | None = Field(None, validation_alias=AliasPath("metadata", "title"))
    license: str | None = Field(None, validation_alias=AliasPath("metadata", "license", "id"))
    files: list[_File] = []

    def answers_to(self, doi: str) -> bool:
        """Tell whether a DOI means this version of the record, or all its versions."""
        prefix = self.doi.partition("/")[0]
        own = {self.doi.lower()} | ({f"{prefix}/zenodo.{self.concept}"} if self.concept else set())
        return doi.lower() in own


def read_record(client: ReadsJson, doi: str, number: str) -> Record:
    """Read a record of Zenodo and check that it is the one of a DOI; the same errors as `find_record`."""
    host = HOSTS.get(doi.partition("/")[0], "zenodo.org")
    record = validated(_Record, client.read_json(f"https://{host}/api/records/{number}", f"DOI {doi}"), doi)
    if not record.answers_to(doi):
        raise DataError(f"DOI {doi} leads to record {record.number}, whose own DOI is {record.doi}; check the DOI")
    if not record.files:
        raise DataError(f"DOI {doi}: record {record.number} shows no files; if they are restricted, set ZENODO_TOKEN")
    found = validated(Record, {**record.model_dump(), "page": f"https://{host}/records/{record.number}/files"}, doi)
    for file in found.files:
        check_link(file.link, host, doi)
    return found


def number_of(doi: str) -> str:
    """Return the number of the record that a DOI of Zenodo names.

    Raises
    ------
    DataError
        If it is one of another archive.
    """
    found = re.fullmatch(r"10\.(?:5281|5072)/zenodo\.(\d+)", doi, flags=re.IGNORECASE)
    if found is None:
        raise DataError(f"DOI: got {doi}, expected one of Zenodo (10.5281/zenodo.NUMBER)")
    return found[1]


def check_link(link: str, host: str, doi: str) -> str:
    """Return the number of the record that a link to a file belongs to.

    Raises
    ------
    DataError
        If it leads to another host, or isn't https.
    """
    parts = urlsplit(link)
    found = _LINK.fullmatch(parts.path)
    if parts.scheme != "https" or parts.netloc != host or found is None:
        raise DataError(f"DOI {doi}: a file of the record lies at {link[:80]!r}, not on https://{host}; don't trust it")
    return found[1]
