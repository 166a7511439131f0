"""The ways of a bundle to Zenodo: reserve a DOI, fill a draft, publish it. Each step can be run again."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..bundle.errors import MissingStepError, ServiceError
from ..bundle.files import read_json, write_json
from ..bundle.zenodo_record import HOSTS
from ..describe.inveniordm import inveniordm
from ..provenance.project import Project
from .credentials import token
from .deposit import Deposit, doi_of
from .doi import write_doi
from .service import Service

__all__ = ["PRODUCTION", "SANDBOX", "TOKEN", "release", "reserve", "upload"]

SANDBOX = "https://sandbox.zenodo.org"
PRODUCTION = "https://zenodo.org"
TOKEN = "ZENODO_TOKEN"
#: What the next call must know of a draft: where it is, and its number; or since when one is being made.
DRAFT = "draft.json"


def reserve(project: Project, url: str) -> tuple[Project, dict[str, Any]]:
    """Create or continue the draft of this version, reserve its DOI, and write that into ``project.yaml``.

    Returns
    -------
    project, draft
        The project with its DOI, and the draft as the archive describes it.

    Raises
    ------
    ServiceError
        If the archive refuses or can't be reached, there is no token, this version is published already, or the
        project has a DOI from somewhere else.
    """
    if project.doi and _elsewhere(project.doi):
        raise ServiceError(
            f"project.yaml: doi is {project.doi}, which isn't one of Zenodo; take it out to get one for this version"
        )
    deposit = _deposit(url)
    draft = deposit.reserve(_draft(project, deposit))
    doi = doi_of(draft)
    assert doi is not None, "reserve gives a draft with a DOI"
    return write_doi(project, doi), draft


def upload(project: Project, url: str, draft: dict[str, Any], paths: list[Path]) -> dict[str, Any]:
    """Bring the metadata and the files of a draft up to date; say what was sent."""
    deposit = _deposit(url)
    draft = deposit.update(draft, _metadata(project))
    sent = deposit.fill(draft, paths)
    page = draft.get("links", {}).get("self_html", url)
    return {
        "headline": [
            f"draft {draft['id']} with DOI {project.doi}: {len(sent)} files sent, {len(paths) - len(sent)} there "
            "already, all checksums compared",
            f"look at it: {page}",
            "next: `publish zenodo --release` publishes it, which can't be undone",
        ],
        "url": url,
        "draft": str(draft["id"]),
        "doi": project.doi,
        "page": page,
        "sent": sent,
    }


def release(project: Project, url: str) -> dict[str, Any]:
    """Publish the draft that was uploaded; one that is published already is named again.

    Raises
    ------
    MissingStepError
        If there is no draft of this version.
    ServiceError
        If the archive refuses or can't be reached.
    """
    deposit = _deposit(url)
    numbers = _numbers(project, url)
    drafts = [draft for number in numbers if (draft := deposit.draft(number)) is not None]
    records = [] if drafts else [record for number in numbers if (record := deposit.record(number)) is not None]
    if drafts:
        record = deposit.publish(str(drafts[0]["id"]))
    elif records and _version(records[0]) == project.version:
        record = records[0]
    else:
        raise MissingStepError(f"a draft in {url}", "publish zenodo")
    doi = doi_of(record)
    _draft_file(project).unlink(missing_ok=True)
    lines = [f"published: {doi or record.get('links', {}).get('self_html', record['id'])}"]
    lines.append(f'anybody can use it now: load("{doi}")')
    return {"headline": lines, "url": url, "record": str(record["id"]), "doi": doi}


def _draft(project: Project, deposit: Deposit) -> dict[str, Any]:
    """Find the draft of this version wherever an earlier call left it, or make it."""
    url, metadata = deposit.service.url, _metadata(project)
    for number in _numbers(project, url):
        if (draft := deposit.draft(number)) is not None:
            return _remembered(project, url, draft)
    for number in _numbers(project, url):
        if (record := deposit.record(number)) is not None:
            if _version(record) == project.version:
                raise ServiceError(
                    f"{url}: version {project.version} is published as {doi_of(record)}; give project.yaml another "
                    "version, and run `export` again"
                )
            return _remembered(project, url, deposit.new_version(number))
    # A call that was killed may have made one, and had no time to write down its number.
    begun = _state(project, url).get("begun")
    found = deposit.made_since(datetime.datetime.fromisoformat(begun), metadata) if begun else None
    if found is not None:
        return _remembered(project, url, found)
    now = datetime.datetime.now(datetime.UTC)
    write_json(_draft_file(project), {"url": url, "begun": now.isoformat()})
    return _remembered(project, url, deposit.create(metadata, now))


def _numbers(project: Project, url: str) -> list[str]:
    """Return the numbers under which this project may have a draft or a record in an archive, the best one first."""
    known = [_state(project, url).get("id"), _number(project.doi, url) if project.doi else None]
    return list(dict.fromkeys(number for number in known if number))


def _number(doi: str, url: str) -> str | None:
    """Return the number of a record from its DOI; None if the DOI isn't of this archive."""
    prefix, _, suffix = doi.partition("/")
    host = urlsplit(url).hostname
    if HOSTS.get(prefix, host) != host or (host in HOSTS.values() and prefix not in HOSTS):
        return None
    return re.split(r"[./]", suffix)[-1]


def _elsewhere(doi: str) -> bool:
    """Tell whether a DOI looks like none that an archive of this kind gives: its last part is no number of a record."""
    return re.fullmatch(r"10\.\d{4,9}/(?:[\w-]+\.)?(?:\d+|[a-z0-9]{5}-[a-z0-9]{5})", doi, re.IGNORECASE) is None


def _metadata(project: Project) -> dict[str, Any]:
    return inveniordm(project, datetime.datetime.now(datetime.UTC).date().isoformat())


def _version(record: dict[str, Any]) -> Any:
    return record.get("metadata", {}).get("version")


def _deposit(url: str) -> Deposit:
    return Deposit(Service(url, token(TOKEN, url)))


def _remembered(project: Project, url: str, draft: dict[str, Any]) -> dict[str, Any]:
    # Written at once: whatever happens to the files, the next call goes on with this draft.
    write_json(_draft_file(project), {"url": url, "id": str(draft["id"])})
    return draft


def _state(project: Project, url: str) -> dict[str, Any]:
    path = _draft_file(project)
    values: dict[str, Any] = read_json(path) if path.is_file() else {}
    return values if values.get("url") == url else {}


def _draft_file(project: Project) -> Path:
    return project.root / "dist" / DRAFT
