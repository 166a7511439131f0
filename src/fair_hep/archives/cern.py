"""Records of CERN Open Data (https://opendata.cern.ch): files on EOS, of which HTTPS serves a copy.

A record names its files by addresses of XRootD (``root://eospublic.cern.ch//eos/opendata/…``). The same path at the
portal's own host is the file; what lies anywhere else isn't fetched. Checksums are Adler-32, which finds damage but no
forgery: that the file is the archive's follows from TLS alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from pydantic import AliasPath, BaseModel, Field

from ..bundle.archive_record import Record, RecordFile, validated
from ..bundle.errors import DataError
from .web import Client

__all__ = ["HOST", "find_record"]

HOST = "opendata.cern.ch"
_EOS = re.compile(r"(?:root://eospublic\.cern\.ch/|https?://opendata\.cern\.ch)(/eos/opendata/.+)")
_LICENCES = {"CC0": "CC0-1.0", "CC0 1.0": "CC0-1.0", "CC-BY 4.0": "CC-BY-4.0", "GPL-3.0": "GPL-3.0-only"}


class _File(BaseModel):
    uri: str
    size: int = Field(ge=0)
    checksum: str


class _Index(BaseModel):
    files: list[_File] = []


class _Entry(BaseModel):
    number: int = Field(validation_alias="id")
    doi: str = Field("none", validation_alias=AliasPath("metadata", "doi"))
    title: str | None = Field(None, validation_alias=AliasPath("metadata", "title"))
    license: str | None = Field(None, validation_alias=AliasPath("metadata", "license", "attribution"))
    files: list[_File] = Field([], validation_alias=AliasPath("metadata", "files"))
    #: Large data sets list their files in parts.
    indices: list[_Index] = Field([], validation_alias=AliasPath("metadata", "_file_indices"))


def find_record(client: Client, doi: str, page: str) -> Record:
    """Read the record of a DOI.

    Raises
    ------
    DataError
        If it isn't a record, can't be read, or is another one than the DOI names.
    """
    number = re.fullmatch(r"/records?/(\d+)/?", urlsplit(page).path)
    if number is None:
        raise DataError(f"DOI {doi}: leads to {page[:120]}, expected a record of CERN Open Data; check the DOI")
    entry = validated(_Entry, client.read_json(f"https://{HOST}/api/records/{number[1]}", f"DOI {doi}"), doi)
    if entry.doi.lower() != doi.lower():
        raise DataError(f"DOI {doi} leads to record {entry.number}, whose own DOI is {entry.doi}; check the DOI")
    files = [*entry.files, *(file for index in entry.indices for file in index.files)]
    return Record(
        number=entry.number,
        doi=entry.doi,
        title=entry.title,
        license=_LICENCES.get(entry.license or "", entry.license),
        page=f"https://{HOST}/record/{entry.number}",
        files=_entries(files, doi),
    )


def _entries(files: Sequence[_File], doi: str) -> list[RecordFile]:
    """Return files as any archive's: named by their paths below the folder that they share."""
    paths = [found[1] if (found := _EOS.fullmatch(file.uri)) else None for file in files]
    folders = [str(PurePosixPath(path).parent) for path in paths if path is not None]
    shared = os.path.commonpath(folders) if folders else "/"
    entries = []
    for file, path in zip(files, paths, strict=True):
        values = {
            "key": file.uri.rsplit("/", 1)[-1] if path is None else path.removeprefix(shared).lstrip("/"),
            "size": file.size,
            "checksum": file.checksum.lower(),
            "link": f"https://{HOST}{quote(path or '', safe='/')}",
            "barred": f"it lies at {file.uri[:80]}, of which there is no copy over https" if path is None else None,
        }
        entries.append(validated(RecordFile, values, doi))
    return entries
