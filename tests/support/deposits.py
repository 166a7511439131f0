"""Drafts in the stand-in for Zenodo: the part of InvenioRDM's API that deposits.

It behaves as https://inveniordm.docs.cern.ch/reference/rest_api_drafts_records/ says, also where that is inconvenient:
a name is taken once, an update without ``pids`` drops the reserved DOI, records come in an older form unless the new
one is asked for, and a draft whose files aren't all complete isn't published.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from support.standin import Answer, Request
from support.zenodo import SANDBOX, StoredFile, StoredRecord, Zenodo

__all__ = ["TOKEN", "Deposits", "Draft", "add_deposits"]

TOKEN = "a-token-of-ada"
_NATIVE = "application/vnd.inveniordm.v1+json"
_MISSING = {"status": 404, "message": "The persistent identifier does not exist."}


@dataclass
class Draft:
    """A draft: metadata, and files that are begun (no content yet), uploaded or committed."""

    number: int
    concept: int
    metadata: dict[str, Any]
    pids: dict[str, Any] = field(default_factory=dict)
    created: str = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat())
    files: dict[str, bytes | None] = field(default_factory=dict)
    committed: set[str] = field(default_factory=set)

    def entry(self, key: str, base: str) -> dict[str, Any]:
        """Describe a file as the API does."""
        link = f"{base}/files/{key}"
        content = self.files[key]
        links = {"self": link, "content": f"{link}/content", "commit": f"{link}/commit"}
        entry: dict[str, Any] = {"key": key, "links": links, "status": "pending"}
        if key in self.committed and content is not None:
            digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
            entry |= {"checksum": f"md5:{digest}", "size": float(len(content)), "status": "completed"}
        return entry


class Deposits(dict[int, Draft]):
    """The drafts of one depositor, by number; published ones leave it and become records of the stand-in."""

    def __init__(self, zenodo: Zenodo, host: str) -> None:
        super().__init__()
        self.zenodo, self.host, self.made = zenodo, host, 0
        draft, one = r"/api/records/(\d+)/draft", r"/files/([^/]+)"
        routes: list[tuple[str, str, Callable[[Request, re.Match[str]], Answer]]] = [
            ("POST", "/api/records", self._create),
            ("GET", "/api/user/records", self._search),
            ("GET", r"/api/records/(\d+)", self._record),
            ("POST", r"/api/records/(\d+)/versions", self._new_version),
            ("GET", draft, self._read),
            ("PUT", draft, self._update),
            ("POST", f"{draft}/pids/doi", self._reserve),
            ("GET", f"{draft}/files", self._files),
            ("POST", f"{draft}/files", self._begin),
            ("PUT", f"{draft}{one}/content", self._content),
            ("POST", f"{draft}{one}/commit", self._commit),
            ("DELETE", f"{draft}{one}", self._delete),
            ("POST", f"{draft}/actions/publish", self._publish),
        ]
        for method, path, handler in routes:
            zenodo.route(method, host, path, self._guarded(handler, drafted=path.startswith(draft)))

    def _guarded(
        self, handler: Callable[[Request, re.Match[str]], Answer], *, drafted: bool
    ) -> Callable[[Request, re.Match[str]], Answer]:
        def answer(request: Request, match: re.Match[str]) -> Answer:
            # Everybody may read what is published.
            public = handler == self._record
            if not public and request.headers.get("authorization") != f"Bearer {TOKEN}":
                return Answer.json({"status": 403, "message": "Permission denied."}, 403)
            if drafted and int(match[1]) not in self:
                return Answer.json(_MISSING, 404)
            return handler(request, match)

        return answer

    def _describe(self, draft: Draft, status: int = 200, *, native: bool = True) -> Answer:
        base = f"https://{self.host}/api/records/{draft.number}/draft"
        links = {"self": base, "files": f"{base}/files", "publish": f"{base}/actions/publish"}
        links |= {"self_html": f"https://{self.host}/uploads/{draft.number}", "reserve_doi": f"{base}/pids/doi"}
        values: dict[str, Any] = {
            "id": str(draft.number),
            "metadata": draft.metadata,
            "links": links,
            "created": draft.created,
        }
        if native:
            values |= {"pids": draft.pids, "is_published": False, "is_draft": True}
        else:
            values |= {"id": draft.number, "state": "unsubmitted", "submitted": False}
        return Answer.json(values, status)

    def _new(self, metadata: dict[str, Any], concept: int | None = None) -> Draft:
        number = 100 + 10 * self.made
        self.made += 1
        self[number] = Draft(number, number - 1 if concept is None else concept, metadata)
        return self[number]

    def _create(self, request: Request, match: re.Match[str]) -> Answer:
        return self._describe(self._new(json.loads(request.body)["metadata"]), 201, native=_native(request))

    def _search(self, request: Request, match: re.Match[str]) -> Answer:
        newest = sorted(self.values(), key=lambda draft: draft.created, reverse=True)
        hits = [json.loads(self._describe(draft, native=_native(request)).body) for draft in newest]
        return Answer.json({"hits": {"hits": hits, "total": len(hits)}})

    def _record(self, request: Request, match: re.Match[str]) -> Answer:
        record = self.zenodo.records.get((self.host, int(match[1])))
        return _published(record) if record and _native(request) else self.zenodo.read(request, match)

    def _new_version(self, request: Request, match: re.Match[str]) -> Answer:
        record = self.zenodo.records.get((self.host, int(match[1])))
        if record is None:
            return Answer.json(_MISSING, 404)
        for draft in self.values():
            if draft.concept == record.concept:
                return self._describe(draft, 201, native=_native(request))
        kept = {key: value for key, value in record.metadata.items() if key not in ("version", "publication_date")}
        return self._describe(self._new(kept, record.concept), 201, native=_native(request))

    def _read(self, request: Request, match: re.Match[str]) -> Answer:
        return self._describe(self[int(match[1])], native=_native(request))

    def _update(self, request: Request, match: re.Match[str]) -> Answer:
        draft, body = self[int(match[1])], json.loads(request.body)
        draft.metadata, draft.pids = body["metadata"], body.get("pids", {})
        return self._describe(draft, native=_native(request))

    def _reserve(self, request: Request, match: re.Match[str]) -> Answer:
        draft = self[int(match[1])]
        if "doi" in draft.pids:
            return Answer.json({"status": 400, "message": "A PID already exists for type doi"}, 400)
        draft.pids = _doi(draft.number, self.host)
        return self._describe(draft, 201, native=_native(request))

    def _files(self, request: Request, match: re.Match[str]) -> Answer:
        draft = self[int(match[1])]
        base = f"https://{self.host}/api/records/{draft.number}/draft"
        return Answer.json({"enabled": True, "entries": [draft.entry(key, base) for key in draft.files]})

    def _begin(self, request: Request, match: re.Match[str]) -> Answer:
        draft = self[int(match[1])]
        wanted = [one["key"] for one in json.loads(request.body)]
        if taken := [key for key in wanted if key in draft.files]:
            return Answer.json({"status": 400, "message": f"File with key {taken[0]} already exists."}, 400)
        draft.files |= dict.fromkeys(wanted)
        return Answer.json(json.loads(self._files(request, match).body), 201)

    def _content(self, request: Request, match: re.Match[str]) -> Answer:
        draft, key = self[int(match[1])], match[2]
        if key not in draft.files:
            return Answer.json(_MISSING, 404)
        if key in draft.committed:
            return Answer.json({"status": 400, "message": f"File with key {key} is committed."}, 400)
        draft.files[key] = request.body
        return Answer.json(draft.entry(key, f"https://{self.host}/api/records/{draft.number}/draft"))

    def _commit(self, request: Request, match: re.Match[str]) -> Answer:
        draft, key = self[int(match[1])], match[2]
        if draft.files.get(key) is None or key in draft.committed:
            return Answer.json({"status": 400, "message": "File upload has not completed, or is committed."}, 400)
        draft.committed.add(key)
        return Answer.json(draft.entry(key, f"https://{self.host}/api/records/{draft.number}/draft"))

    def _delete(self, request: Request, match: re.Match[str]) -> Answer:
        draft, key = self[int(match[1])], match[2]
        if key not in draft.files:
            return Answer.json(_MISSING, 404)
        del draft.files[key]
        draft.committed.discard(key)
        return Answer(204)

    def _publish(self, request: Request, match: re.Match[str]) -> Answer:
        draft = self[int(match[1])]
        if not draft.files or draft.committed != set(draft.files):
            errors = [{"field": "files.enabled", "messages": ["One or more files have not completed their transfer."]}]
            return Answer.json({"status": 400, "message": "A validation error occurred.", "errors": errors}, 400)
        del self[draft.number]
        ready = {key: StoredFile(content) for key, content in draft.files.items() if content is not None}
        title = draft.metadata["title"]
        record = self.zenodo.add(
            draft.number, ready, host=self.host, concept=draft.concept, title=title, metadata=draft.metadata
        )
        return _published(record, 202)


def add_deposits(zenodo: Zenodo, host: str = SANDBOX) -> Deposits:
    """Let the stand-in take deposits; return its drafts by number."""
    return Deposits(zenodo, host)


def _native(request: Request) -> bool:
    return _NATIVE in request.headers.get("accept", "")


def _doi(number: int, host: str) -> dict[str, Any]:
    prefix = "10.5072" if host == SANDBOX else "10.5281"
    return {"doi": {"identifier": f"{prefix}/zenodo.{number}", "provider": "datacite", "client": "datacite"}}


def _published(record: StoredRecord, status: int = 200) -> Answer:
    values: dict[str, Any] = {"id": str(record.number), "is_published": True, "pids": _doi(record.number, record.host)}
    values |= {"metadata": record.metadata, "links": {"self_html": f"https://{record.host}/records/{record.number}"}}
    values |= {"parent": {"id": str(record.concept)}}
    return Answer.json(values, status)
