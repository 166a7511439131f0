"""Drafts in the stand-in for Zenodo: the part of InvenioRDM's API that deposits."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from .standin import Answer, Request
from .zenodo import SANDBOX, StoredFile, Zenodo

__all__ = ["TOKEN", "Draft", "add_deposits"]

TOKEN = "a-token-of-ada"


@dataclass
class Draft:
    """A draft: metadata, and files that are begun (no content yet), uploaded or committed."""

    number: int
    metadata: dict[str, Any]
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
            entry |= {"checksum": f"md5:{digest}", "size": len(content), "status": "completed"}
        return entry


def add_deposits(zenodo: Zenodo, host: str = SANDBOX) -> dict[int, Draft]:
    """Let the stand-in take deposits; return its drafts by number."""
    drafts: dict[int, Draft] = {}

    def allowed(request: Request) -> Answer | None:
        if request.headers.get("authorization") == f"Bearer {TOKEN}":
            return None
        return Answer.json({"status": 403, "message": "Permission denied."}, 403)

    def describe(draft: Draft) -> dict[str, Any]:
        base = f"https://{host}/api/records/{draft.number}/draft"
        links = {"self": base, "files": f"{base}/files", "publish": f"{base}/actions/publish"}
        links["self_html"] = f"https://{host}/uploads/{draft.number}"
        return {"id": str(draft.number), "metadata": draft.metadata, "links": links}

    def create(request: Request, match: re.Match[str]) -> Answer:
        draft = Draft(100 + len(drafts), json.loads(request.body)["metadata"])
        drafts[draft.number] = draft
        return Answer.json(describe(draft), 201)

    def update(request: Request, match: re.Match[str]) -> Answer:
        draft = drafts[int(match[1])]
        draft.metadata = json.loads(request.body)["metadata"]
        return Answer.json(describe(draft))

    def files(request: Request, match: re.Match[str]) -> Answer:
        draft = drafts[int(match[1])]
        base = f"https://{host}/api/records/{draft.number}/draft"
        if request.method == "POST":
            wanted = [one["key"] for one in json.loads(request.body)]
            if taken := [key for key in wanted if key in draft.files]:
                return Answer.json({"status": 400, "message": f"File with key {taken[0]} already exists."}, 400)
            draft.files |= dict.fromkeys(wanted)
        return Answer.json({"entries": [draft.entry(key, base) for key in draft.files]}, 201)

    def one_file(request: Request, match: re.Match[str]) -> Answer:
        draft, key, what = drafts[int(match[1])], match[2], match[3]
        base = f"https://{host}/api/records/{draft.number}/draft"
        if key not in draft.files:
            return Answer.json({"status": 404, "message": "no such file"}, 404)
        if request.method == "DELETE":
            del draft.files[key]
            draft.committed.discard(key)
            return Answer(204)
        if what == "/content":
            draft.files[key] = request.body
        if what == "/commit":
            draft.committed.add(key)
        return Answer.json(draft.entry(key, base))

    def publish(request: Request, match: re.Match[str]) -> Answer:
        draft = drafts.pop(int(match[1]))
        ready = {key: StoredFile(content) for key, content in draft.files.items() if content is not None}
        record = zenodo.add(draft.number, ready, host=host, title=draft.metadata["title"])
        return Answer.json({"id": str(draft.number), "pids": {"doi": {"identifier": record.doi}}, "links": {}}, 202)

    def guarded(handler: Any) -> Any:
        def answer(request: Request, match: re.Match[str]) -> Answer:
            refused = allowed(request)
            if refused is not None:
                return refused
            if match.re.groups and int(match[1]) not in drafts:
                return Answer.json({"status": 404, "message": "The persistent identifier does not exist."}, 404)
            result: Answer = handler(request, match)
            return result

        return answer

    draft, one = r"/api/records/(\d+)/draft", r"/files/([^/]+)"
    zenodo.route("POST", host, "/api/records", guarded(create))
    zenodo.route("PUT", host, draft, guarded(update))
    for method in ("GET", "POST"):
        zenodo.route(method, host, f"{draft}/files", guarded(files))
    for method, what in (("PUT", "/content"), ("POST", "/commit"), ("DELETE", "")):
        zenodo.route(method, host, f"{draft}{one}({what})", guarded(one_file))
    zenodo.route("POST", host, f"{draft}/actions/publish", guarded(publish))
    return drafts
