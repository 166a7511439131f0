"""The archives whose records we can read, one module for each: a DOI leads to one of them."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from pydantic import BaseModel

from ..bundle.archive_record import Record, validated
from ..bundle.errors import DataError
from ..bundle.zenodo_record import HOSTS, read_record
from . import cern, dataverse, figshare, zenodo
from .web import Client

__all__ = ["find_record", "token_for"]

KNOWN = "Zenodo, CERN Open Data, Dataverse and figshare"


class _Value(BaseModel):
    type: str
    data: dict[str, object]


class _Handle(BaseModel):
    values: list[_Value] = []


def token_for(doi: str) -> str | None:
    """Return the token that the archive of a DOI may see: ``ZENODO_TOKEN``, if the prefix is one of Zenodo.

    Raises
    ------
    DataError
        If the variable holds what no token can be.
    """
    return zenodo.token() if _is_zenodo(doi) else None


def _is_zenodo(doi: str) -> bool:
    return doi.partition("/")[0] in HOSTS


def find_record(client: Client, doi: str, *, direct: bool) -> Record:
    """Find the record of a DOI.

    Parameters
    ----------
    doi
        A bare DOI.
    direct
        Ask Zenodo for the number in the DOI, without zenodo-get: that program takes a token only as an argument, which
        every user of the machine can read.

    Raises
    ------
    DataError
        If the DOI isn't known, leads to something else or to another archive, or the record can't be read.
    """
    if _is_zenodo(doi):
        return zenodo.find_record(client, doi, direct=direct)
    page = _page(client, doi)
    host = (urlsplit(page).hostname or "").lower()
    if host == cern.HOST:
        record = cern.find_record(client, doi, page)
    elif host == figshare.HOST or host.endswith(f".{figshare.HOST}"):
        record = figshare.find_record(client, doi, page)
    elif dataverse.is_dataset(page):
        record = dataverse.find_record(client, doi, page)
    elif host == "zenodo.org" and (found := re.fullmatch(r"/records?/(\d+)", urlsplit(page).path)):
        return read_record(client, doi, found[1])
    else:
        raise DataError(
            f"DOI {doi}: leads to {host or 'no archive'}, but only records of {KNOWN} can be fetched; "
            "fetch the files by hand and use data.source=folder"
        )
    if not record.files:
        raise DataError(f"DOI {doi}: the record at {host} has no files; look at {page}")
    return record


def _page(client: Client, doi: str) -> str:
    """Return where a DOI leads, as doi.org's own interface says it, always with https."""
    answer = client.read_json(f"https://doi.org/api/handles/{quote(doi, safe='/')}?type=URL", f"DOI {doi}")
    found = [value.data.get("value") for value in validated(_Handle, answer, doi).values if value.type == "URL"]
    if not found:
        raise DataError(f"DOI {doi}: doi.org knows no address for it; check the DOI")
    return re.sub(r"^http:", "https:", str(found[0]))
