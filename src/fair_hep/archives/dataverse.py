"""Data sets of any Dataverse installation (https://guides.dataverse.org/en/latest/api): one DOI for all versions.

Dataverse turns tables into a format of its own and keeps the original. The checksum that it tells is the original's
(IQSS/dataverse#7275), so that is what we fetch, under its own name.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from pydantic import AliasPath, BaseModel, Field

from ..bundle.archive_record import Record, RecordFile, creative_commons, validated
from ..bundle.errors import DataError
from .web import Client

__all__ = ["find_record", "is_dataset"]

_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}


class _Checksum(BaseModel):
    type: str
    value: str


class _DataFile(BaseModel):
    id: int
    filesize: int = Field(ge=0)
    original_format: str | None = Field(None, validation_alias="originalFileFormat")
    original_name: str | None = Field(None, validation_alias="originalFileName")
    original_size: int | None = Field(None, validation_alias="originalFileSize", ge=0)
    checksum: _Checksum | None = None
    md5: str | None = None


class _File(BaseModel):
    label: str
    folder: str = Field("", validation_alias="directoryLabel")
    restricted: bool = False
    data: _DataFile = Field(validation_alias="dataFile")

    def entry(self, doi: str, host: str) -> RecordFile:
        """Return the file as any archive's."""
        data = self.data
        ingested = data.original_format is not None
        known = data.checksum or _Checksum(type="MD5", value=data.md5 or "")
        barred = "it is restricted; ask for access on the data set's page" if self.restricted else None
        size = data.filesize
        if ingested and data.original_size is None:
            barred = barred or "Dataverse doesn't tell the size of its original; fetch it by hand"
        elif ingested and data.original_size is not None:
            size = data.original_size
        values = {
            "key": f"{self.folder}/{self._name()}" if self.folder else self._name(),
            "size": size,
            "checksum": f"{_ALGORITHMS.get(known.type, known.type)}:{known.value.lower()}",
            "link": f"https://{host}/api/access/datafile/{data.id}" + ("?format=original" if ingested else ""),
            "barred": barred,
            "elsewhere": True,
        }
        return validated(RecordFile, values, doi)

    def _name(self) -> str:
        """Return the file's name; a table that was turned into another format has that of its original."""
        original = self.data.original_name
        # The label may have been changed after the upload; the ending tells the format.
        return str(PurePosixPath(self.label).with_suffix(PurePosixPath(original).suffix)) if original else self.label


class _Version(BaseModel):
    major: int | None = Field(None, validation_alias="versionNumber")
    minor: int = Field(0, validation_alias="versionMinorNumber")
    license: dict[str, Any] | str | None = None
    fields: list[dict[str, Any]] = Field([], validation_alias=AliasPath("metadataBlocks", "citation", "fields"))
    files: list[_File] = []

    def title(self) -> str | None:
        """Return the title among the fields of the citation."""
        return next((str(field.get("value")) for field in self.fields if field.get("typeName") == "title"), None)

    def licence(self) -> str | None:
        """Return the licence; older installations tell only a name."""
        if not isinstance(self.license, dict):
            return self.license
        return creative_commons(str(self.license.get("uri")), self.license.get("name"))


class _Dataset(BaseModel):
    id: int
    protocol: str
    authority: str
    identifier: str
    latest: _Version = Field(validation_alias="latestVersion")


class _Answer(BaseModel):
    data: _Dataset


def is_dataset(page: str) -> bool:
    """Tell whether an address is written as Dataverse writes those of its data sets."""
    return "persistentId" in parse_qs(urlsplit(page).query)


def find_record(client: Client, doi: str, page: str) -> Record:
    """Read the newest published version of a data set.

    Raises
    ------
    DataError
        If it can't be read, or is another one than the DOI names.
    """
    parts = urlsplit(page)
    if parts.scheme != "https" or parts.netloc != parts.hostname:
        raise DataError(f"DOI {doi}: leads to {page[:120]!r}, expected https and a plain host; don't trust it")
    if parts.path.endswith("/file.xhtml"):
        raise DataError(f"DOI {doi}: is that of one file of a Dataverse; name that of its data set, and data.files")
    address = f"https://{parts.netloc}/api/datasets/:persistentId/?persistentId=doi:{quote(doi, safe='/')}"
    dataset = validated(_Answer, client.read_json(address, f"DOI {doi}"), doi).data
    own, latest = f"{dataset.authority}/{dataset.identifier}", dataset.latest
    if dataset.protocol != "doi" or own.lower() != doi.lower():
        raise DataError(f"DOI {doi} leads to a data set whose own DOI is {own}; check the DOI")
    return Record(
        number=dataset.id,
        doi=own,
        version=None if latest.major is None else f"{latest.major}.{latest.minor}",
        title=latest.title(),
        license=latest.licence(),
        page=page,
        files=[file.entry(doi, parts.netloc) for file in latest.files],
    )
