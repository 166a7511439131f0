"""Records of figshare (https://docs.figshare.com): articles, whose versions have DOIs that end in ``.v1`` and so on.

The portals of institutions are figshare too, under names of their own below figshare.com and with their own prefixes.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from pydantic import BaseModel, Field, RootModel

from ..bundle.archive_record import Record, RecordFile, creative_commons, validated
from ..bundle.errors import DataError
from .web import Client

__all__ = ["HOST", "find_record"]

HOST = "figshare.com"
_API = "https://api.figshare.com/v2/articles"
_FILES = re.compile(r"https://(ndownloader\.figshare\.com|([a-z0-9-]+\.)?figshare\.com/ndownloader)/files/\d+")
_VERSION = re.compile(r"\.v(\d+)$", flags=re.IGNORECASE)


class _File(BaseModel):
    name: str
    size: int = Field(ge=0)
    computed_md5: str = ""
    supplied_md5: str = ""
    download_url: str = ""
    is_link_only: bool = False

    def entry(self, doi: str) -> RecordFile:
        """Return the file as any archive's; what only links elsewhere has no checksum and can't be fetched."""
        barred = "figshare has only a link to it, no copy" if self.is_link_only else None
        if barred is None and not _FILES.fullmatch(self.download_url):
            raise DataError(
                f"DOI {doi}: a file of the record lies at {self.download_url[:80]!r}, not on https://{HOST}; "
                "don't trust it"
            )
        values = {"key": self.name, "size": self.size, "link": self.download_url, "barred": barred, "elsewhere": True}
        checksum = f"md5:{(self.computed_md5 or self.supplied_md5).lower()}"
        return validated(RecordFile, {**values, "checksum": "md5:" + "0" * 32 if barred else checksum}, doi)


class _Licence(BaseModel):
    name: str
    url: str | None = None


class _Article(BaseModel):
    id: int
    doi: str
    version: int
    title: str | None = None
    license: _Licence | None = None
    url_public_html: str | None = None
    files: list[_File] = []


class _Number(BaseModel):
    id: int


class _Found(RootModel[list[_Number]]):
    pass


def find_record(client: Client, doi: str, page: str) -> Record:
    """Read the article of a DOI; without a version in it, the newest one.

    Raises
    ------
    DataError
        If it isn't an article, can't be read, or is another one than the DOI names.
    """
    found = validated(_Found, client.read_json(f"{_API}?doi={quote(doi, safe='')}", f"DOI {doi}"), doi).root
    if len(found) != 1:
        raise DataError(
            f"DOI {doi}: figshare has {len(found)} articles of it, expected one; collections aren't fetched"
        )
    wanted = _VERSION.search(doi)
    version = f"/versions/{wanted[1]}" if wanted else ""
    article = validated(_Article, client.read_json(f"{_API}/{found[0].id}{version}", f"DOI {doi}"), doi)
    same = _VERSION.sub("", doi.lower()) == _VERSION.sub("", article.doi.lower())
    if not same or (wanted and int(wanted[1]) != article.version):
        raise DataError(f"DOI {doi} leads to article {article.id}, whose own DOI is {article.doi}; check the DOI")
    licence = article.license
    return Record(
        number=article.id,
        doi=article.doi,
        version=str(article.version),
        title=article.title,
        license=creative_commons(licence.url, licence.name) if licence else None,
        page=article.url_public_html or page,
        files=[file.entry(doi) for file in article.files],
    )
