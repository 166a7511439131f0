"""A stand-in for the Hugging Face Hub: the part of its API that the official client uses to write a commit."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from support.standin import Answer, Request, StandIn

__all__ = ["HUB", "TOKEN", "Hub"]

HUB = "huggingface.co"
TOKEN = "hf_a_token_of_ada"
#: What the Hub keeps outside git.
_LARGE = (".onnx", ".safetensors", ".npz", ".png")


class Hub(StandIn):
    """The stand-in; ``repositories`` holds what was committed, by name and path."""

    def __init__(self, folder: Path) -> None:
        super().__init__([HUB], folder)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.commits: list[str] = []
        self._stored: dict[str, bytes] = {}
        name = r"([\w.-]+/[\w.-]+)"
        for method, path, handler in (
            ("POST", "/api/repos/create", self._create),
            ("POST", "/api/validate-yaml", self._validate),
            ("GET", f"/api/models/{name}", self._about),
            ("GET", f"/api/models/{name}/revision/main", self._about),
            ("GET", f"/api/models/{name}/tree/main", self._tree),
            ("POST", f"/api/models/{name}/preupload/main", self._modes),
            ("POST", f"/{name}\\.git/info/lfs/objects/batch", self._batch),
            ("PUT", r"/store/([0-9a-f]{64})", self._store),
            ("POST", f"/api/models/{name}/commit/main", self._commit),
        ):
            self.route(method, HUB, path, handler)

    def _allowed(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {TOKEN}"

    def _create(self, request: Request, match: re.Match[str]) -> Answer:
        if not self._allowed(request):
            return Answer.json({"error": "Invalid username or password."}, 401)
        wanted = json.loads(request.body)
        name = f"{wanted.get('organization') or 'ada'}/{wanted['name']}"
        status = 409 if name in self.repositories else 200
        self.repositories.setdefault(name, {})
        return Answer.json({"url": f"https://{HUB}/{name}", "name": name}, status)

    def _validate(self, request: Request, match: re.Match[str]) -> Answer:
        """Look at the head of the card, which must be there."""
        head = json.loads(request.body)["content"].startswith("---\n")
        return Answer.json(
            {"errors": [] if head else [{"message": "no metadata"}], "warnings": []}, 200 if head else 400
        )

    def _about(self, request: Request, match: re.Match[str]) -> Answer:
        siblings = [{"rfilename": path} for path in self.repositories[match[1]]]
        return Answer.json(
            {"id": match[1], "modelId": match[1], "sha": "0" * 40, "siblings": siblings, "private": False}
        )

    def _tree(self, request: Request, match: re.Match[str]) -> Answer:
        files = self.repositories[match[1]].items()
        listed = [{"type": "file", "path": path, "size": len(content), "oid": _git(content)} for path, content in files]
        return Answer.json(listed)

    def _modes(self, request: Request, match: re.Match[str]) -> Answer:
        files = [
            {"path": file["path"], "uploadMode": _mode(file["path"]), "shouldIgnore": False}
            for file in json.loads(request.body)["files"]
        ]
        return Answer.json({"files": files})

    def _batch(self, request: Request, match: re.Match[str]) -> Answer:
        objects = [
            one
            | (
                {}
                if one["oid"] in self._stored
                else {"actions": {"upload": {"href": f"https://{HUB}/store/{one['oid']}"}}}
            )
            for one in json.loads(request.body)["objects"]
        ]
        return Answer.json({"transfer": "basic", "objects": objects})

    def _store(self, request: Request, match: re.Match[str]) -> Answer:
        if hashlib.sha256(request.body).hexdigest() != match[1]:
            return Answer.json({"error": "wrong checksum"}, 422)
        self._stored[match[1]] = request.body
        return Answer(200)

    def _commit(self, request: Request, match: re.Match[str]) -> Answer:
        if not self._allowed(request):
            return Answer.json({"error": "Invalid username or password."}, 401)
        held = self.repositories[match[1]]
        for line in request.body.splitlines():
            self._apply(held, json.loads(line))
        url = f"https://{HUB}/{match[1]}/commit/{len(self.commits):040x}"
        return Answer.json({"success": True, "commitUrl": url, "commitOid": f"{len(self.commits):040x}"})

    def _apply(self, held: dict[str, bytes], change: dict[str, Any]) -> None:
        value = change["value"]
        match change["key"]:
            case "header":
                self.commits.append(value["summary"])
            case "file":
                held[value["path"]] = base64.b64decode(value["content"])
            case "lfsFile":
                held[value["path"]] = self._stored[value["oid"]]
            case "deletedFile":
                del held[value["path"]]
            case unknown:
                raise AssertionError(unknown)


def _mode(path: str) -> str:
    return "lfs" if path.endswith(_LARGE) else "regular"


def _git(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
