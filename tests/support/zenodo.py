"""A stand-in for Zenodo and doi.org: records with files, as their API shows them, over real HTTPS on loopback."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from support.standin import Answer, Request, StandIn

__all__ = ["SANDBOX", "ZENODO", "StoredFile", "StoredRecord", "Zenodo"]

ZENODO, SANDBOX = "zenodo.org", "sandbox.zenodo.org"
_PREFIX = {ZENODO: "10.5281", SANDBOX: "10.5072"}


@dataclass
class StoredFile:
    """A file of a record; what the record says of it may be wrong on purpose."""

    content: bytes
    checksum: str | None = None
    size: int | None = None
    link: str | None = None

    def describe(self, key: str, record: str) -> dict[str, Any]:
        """Return the file's entry in the record."""
        return {
            "id": hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest(),
            "key": key,
            "size": len(self.content) if self.size is None else self.size,
            "checksum": self.checksum or f"md5:{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}",
            "links": {"self": self.link or f"{record}/files/{quote(key, safe='')}/content"},
        }


@dataclass
class StoredRecord:
    """A record; with a token, its files are restricted."""

    number: int
    host: str
    files: dict[str, StoredFile]
    concept: int
    title: str = "Jets"
    license: str | None = "cc-by-4.0"
    token: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def doi(self) -> str:
        """DOI of this version."""
        return f"{_PREFIX[self.host]}/zenodo.{self.number}"

    @property
    def concept_doi(self) -> str:
        """DOI that stands for all versions."""
        return f"{_PREFIX[self.host]}/zenodo.{self.concept}"

    def describe(self, *, files: bool) -> dict[str, Any]:
        """Return the record as the API shows it."""
        link = f"https://{self.host}/api/records/{self.number}"
        metadata = {"title": self.title, "publication_date": "2024-01-01", "doi": self.doi, "creators": [{"name": "X"}]}
        return {
            "id": self.number,
            "doi": self.doi,
            "conceptrecid": str(self.concept),
            "conceptdoi": self.concept_doi,
            "links": {"self": link},
            "metadata": metadata | ({"license": {"id": self.license}} if self.license else {}),
            "files": [file.describe(key, link) for key, file in self.files.items()] if files else [],
            **self.more,
        }


class Zenodo(StandIn):
    """The stand-in; records are added with `add`, further parts of the API with `route`."""

    def __init__(self, folder: Path, hosts: Iterable[str] = ()) -> None:
        super().__init__([ZENODO, SANDBOX, "doi.org", "www.doi.org", *hosts], folder)
        self.records: dict[tuple[str, int], StoredRecord] = {}
        self.dois: dict[str, str] = {}
        self.route("GET", "doi.org", r"/(10\..+)", self._resolve)
        self.route("GET", "doi.org", r"/api/handles/(10\..+)", self._handle)
        for host in (ZENODO, SANDBOX):
            self.route("GET", host, r"/records/(\d+)", self._page)
            self.route("GET", host, r"/api/records/(\d+)", self.read)
            self.route("GET", host, r"/api/records/(\d+)/files/(.+)/content", self._content)

    def add(
        self, number: int, files: Mapping[str, bytes | StoredFile], *, host: str = ZENODO, concept: int | None = None,
        **more: Any,
    ) -> StoredRecord:  # fmt: skip
        """Publish a record; the newest of a concept has the largest number."""
        stored = {key: file if isinstance(file, StoredFile) else StoredFile(file) for key, file in files.items()}
        record = StoredRecord(number, host, stored, number - 1 if concept is None else concept, **more)
        with self.lock:
            self.records[host, number] = record
            if host == ZENODO:
                self.dois[record.doi] = f"https://{host}/records/{number}"
                self.dois[record.concept_doi] = f"https://{host}/records/{record.concept}"
        return record

    def _resolve(self, request: Request, match: re.Match[str]) -> Answer:
        target = self.dois.get(match[1].lower())
        return Answer.redirect(target) if target else Answer.json({"message": "DOI Not Found"}, 404)

    def _handle(self, request: Request, match: re.Match[str]) -> Answer:
        """Answer as the interface of doi.org does, which doesn't redirect."""
        target = self.dois.get(match[1].lower())
        if target is None:
            return Answer.json({"responseCode": 100, "handle": match[1]}, 404)
        value = {"index": 1, "type": "URL", "data": {"format": "string", "value": target}, "ttl": 86400}
        return Answer.json({"responseCode": 1, "handle": match[1], "values": [value]})

    def _find(self, request: Request, match: re.Match[str]) -> StoredRecord | Answer:
        """Return a record, or a redirect from a concept to its newest version."""
        number = int(match[1])
        if record := self.records.get((request.host, number)):
            return record
        versions = [r for r in self.records.values() if r.concept == number and r.host == request.host]
        if not versions:
            message = "The persistent identifier does not exist."
            return Answer.json({"status": 404, "message": message}, 404)
        newest = max(record.number for record in versions)
        return Answer.redirect(f"https://{request.host}{request.path.replace(match[1], str(newest))}")

    def _page(self, request: Request, match: re.Match[str]) -> Answer:
        found = self._find(request, match)
        return found if isinstance(found, Answer) else Answer(200, b"<html>a record</html>")

    def read(self, request: Request, match: re.Match[str]) -> Answer:
        """Answer with a record as Zenodo shows it to those who ask for plain JSON."""
        found = self._find(request, match)
        if isinstance(found, Answer):
            return found
        return Answer.json(found.describe(files=_may_read(found, request)))

    def _content(self, request: Request, match: re.Match[str]) -> Answer:
        record = self.records.get((request.host, int(match[1])))
        if record is None or match[2] not in record.files:
            return Answer.json({"status": 404, "message": "no such file"}, 404)
        if not _may_read(record, request):
            return Answer.json({"status": 403, "message": "Permission denied."}, 403)
        return Answer(200, record.files[match[2]].content, {"Content-Type": "application/octet-stream"}, ranges=True)


def _may_read(record: StoredRecord, request: Request) -> bool:
    return record.token is None or request.headers.get("authorization") == f"Bearer {record.token}"
