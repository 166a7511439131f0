"""Drafts and records in an archive that runs InvenioRDM (Zenodo): https://inveniordm.docs.cern.ch/reference/rest_api_drafts_records/.

Whatever is lost on the way, the next look tells how things stand: nothing is made twice.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..bundle.errors import ServiceError
from .service import Service, Unclear

__all__ = ["Deposit"]

#: How much the clocks of the archive and of this machine may differ.
_CLOCKS = datetime.timedelta(minutes=10)
#: Seconds after which a new draft is surely in the list of its owner's drafts, which is a search index.
_LISTED = 5.0

log = logging.getLogger(__name__)


class Deposit:
    """What one depositor does in one archive.

    Parameters
    ----------
    service
        The archive, and the right to deposit there.
    """

    def __init__(self, service: Service) -> None:
        self.service = service

    def draft(self, number: str) -> dict[str, Any] | None:
        """Return an unpublished draft; None if there is none."""
        found = self.service.asked("GET", f"/api/records/{quote(number)}/draft")
        return None if found is None or found.get("is_published") else found

    def record(self, number: str) -> dict[str, Any] | None:
        """Return a published record; None if there is none."""
        return self.service.asked("GET", f"/api/records/{quote(number)}")

    def create(self, metadata: Mapping[str, Any], begun: datetime.datetime) -> dict[str, Any]:
        """Create a draft, once: if an answer is lost, one made since ``begun`` is looked for before another try.

        Raises
        ------
        ServiceError
            If the archive refuses or can't be reached.
        """
        body = _body(metadata, {})
        for attempt in range(1, self.service.tries + 1):
            try:
                return self.service.sent("POST", "/api/records", json=body, repeat=False)
            except Unclear as problem:
                log.info("%s", problem)
                time.sleep(max(_LISTED, self.service.first_wait * 2.0 ** (attempt - 1)))
                if found := self.made_since(begun, metadata):
                    return found
                if attempt == self.service.tries:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def made_since(self, begun: datetime.datetime, metadata: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the depositor's own draft with this title and version that was made since a time."""
        query = {"q": "is_published:false", "sort": "newest", "size": "25"}
        hits = self.service.sent("GET", "/api/user/records", params=query).get("hits", {}).get("hits", [])
        for hit in hits:
            found = hit.get("metadata", {})
            same = all(found.get(key) == metadata.get(key) for key in ("title", "version"))
            if same and not hit.get("is_published") and _time(hit.get("created", "")) >= begun - _CLOCKS:
                return self.draft(str(hit["id"]))
        return None

    def new_version(self, number: str) -> dict[str, Any]:
        """Return the draft of the next version of a published record: it has no files yet, and there is only one."""
        return self.service.sent("POST", f"/api/records/{quote(number)}/versions")

    def update(self, draft: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Bring the metadata of a draft up to date; its reserved DOI is sent along, since it would be dropped else."""
        return self.service.sent("PUT", _of(draft), json=_body(metadata, draft.get("pids", {})))

    def reserve(self, draft: Mapping[str, Any]) -> dict[str, Any]:
        """Return the draft with a reserved DOI.

        Raises
        ------
        ServiceError
            If the archive reserves none.
        """
        if doi_of(draft):
            return dict(draft)
        try:
            found = self.service.sent("POST", f"{_of(draft)}/pids/doi")
        except ServiceError:
            # It may have been reserved by an attempt whose answer was lost.
            found = self.draft(str(draft["id"])) or {}
            if not doi_of(found):
                raise
        if not doi_of(found):
            raise ServiceError(
                f"{self.service.url}: no DOI was reserved for draft {draft['id']}; reserve it on its page"
            )
        return found

    def fill(self, draft: Mapping[str, Any], paths: Sequence[Path]) -> list[str]:
        """Give a draft these files and no others; return the names of those that had to be sent.

        Raises
        ------
        ServiceError
            If the archive refuses, can't be reached, or holds other bytes in the end.
        """
        wanted = {path.name: (_md5(path), path.stat().st_size) for path in paths}
        for key in self._entries(draft):
            if key not in wanted:
                self.service.asked("DELETE", self._file(draft, key))
        sent = [path.name for path in paths if self._upload(draft, path, wanted[path.name][0])]
        held = {key: (entry.get("checksum"), _size(entry)) for key, entry in self._entries(draft).items()}
        if held != wanted:
            differ = sorted({*held, *wanted} - {key for key in held if held[key] == wanted.get(key)})
            raise ServiceError(
                f"{self.service.url}: {', '.join(differ)} differ from what was sent: run the command again"
            )
        return sent

    def publish(self, number: str) -> dict[str, Any]:
        """Publish a draft; this can't be undone. A draft that is published already is returned as it is.

        Raises
        ------
        ServiceError
            If the archive refuses or can't be reached.
        """
        try:
            return self.service.sent("POST", f"/api/records/{quote(number)}/draft/actions/publish")
        except ServiceError:
            if (record := self.record(number)) is None:
                raise
            return record

    def _upload(self, draft: Mapping[str, Any], path: Path, checksum: str) -> bool:
        """Upload a file into a draft, unless it is there with the same checksum; return whether it was sent."""
        entry = self._entries(draft).get(path.name)
        if entry is not None and entry.get("checksum") == checksum:
            return False
        if entry is not None and entry.get("status") == "completed":
            # Another version, or damaged on its way: an archive takes a name only once.
            self.service.asked("DELETE", self._file(draft, path.name))
            entry = None
        if entry is None:
            entry = self._begun(draft, path.name)
        self.service.sent("PUT", _link(entry, "content"), file=path)
        done = self._committed(draft, entry, path.name)
        if (got := done.get("checksum")) != checksum:
            raise ServiceError(
                f"{path.name}: {self.service.url} got {got}, expected {checksum}: it was damaged on its way, try again"
            )
        return True

    def _begun(self, draft: Mapping[str, Any], key: str) -> dict[str, Any]:
        try:
            self.service.sent("POST", f"{_of(draft)}/files", json=[{"key": key}])
        except ServiceError:
            # Refused if an attempt whose answer was lost had begun it.
            if key not in self._entries(draft):
                raise
        return self._entries(draft)[key]

    def _committed(self, draft: Mapping[str, Any], entry: Mapping[str, Any], key: str) -> dict[str, Any]:
        try:
            return self.service.sent("POST", _link(entry, "commit"))
        except ServiceError:
            found = self._entries(draft).get(key, {})
            if found.get("status") != "completed":
                raise
            return found

    def _entries(self, draft: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        listed = self.service.sent("GET", f"{_of(draft)}/files").get("entries", [])
        return {entry["key"]: entry for entry in listed}

    def _file(self, draft: Mapping[str, Any], key: str) -> str:
        return f"{_of(draft)}/files/{quote(key, safe='')}"


def doi_of(record: Mapping[str, Any]) -> str | None:
    """Return the DOI of a draft or a record, if it has one."""
    doi = record.get("pids", {}).get("doi", {}).get("identifier")
    return str(doi) if doi else None


def _of(draft: Mapping[str, Any]) -> str:
    return f"/api/records/{quote(str(draft['id']))}/draft"


def _body(metadata: Mapping[str, Any], pids: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "access": {"record": "public", "files": "public"},
        "files": {"enabled": True, "default_preview": "README.md"},
        "metadata": dict(metadata),
        "pids": dict(pids),
    }


def _link(entry: Mapping[str, Any], name: str) -> str:
    return str(entry.get("links", {}).get(name, ""))


def _size(entry: Mapping[str, Any]) -> int:
    return int(entry.get("size") or 0)


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
    return f"md5:{digest.hexdigest()}"


def _time(text: str) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        return datetime.datetime.min.replace(tzinfo=datetime.UTC)
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
