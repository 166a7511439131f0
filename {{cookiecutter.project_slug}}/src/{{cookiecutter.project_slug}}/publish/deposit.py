"""Drafts in an archive that runs InvenioRDM (Zenodo): create or continue one, upload files, publish it.

The token is sent to the archive's own host only, and appears in no message.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import ServiceError

__all__ = ["Deposit"]

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_LONGEST_WAIT = 60.0
_TIMEOUT = 60.0

log = logging.getLogger(__name__)


class Deposit:
    """An archive, and the right to deposit in it.

    Parameters
    ----------
    url
        Address of the archive, for example ``https://sandbox.zenodo.org``.
    token
        Access token of the depositor.
    tries
        Attempts for a request that may pass if it is sent again.
    first_wait
        Seconds before the second attempt; the pause doubles with each further one.
    """

    def __init__(self, url: str, token: str, *, tries: int = 4, first_wait: float = 1.0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ServiceError(f"{url}: expected an address that begins with https://, since a token is sent there")
        self.url = url.rstrip("/")
        self.origin = (parts.scheme, parts.netloc)
        self._token = token
        self._tries, self._first_wait = tries, first_wait

    def draft(self, metadata: Mapping[str, Any], known: str | None) -> dict[str, Any]:
        """Create a draft, or bring the metadata of a known one up to date.

        Parameters
        ----------
        metadata
            Metadata of the record.
        known
            Number of a draft from an earlier call; a new draft is made if it is gone.

        Raises
        ------
        ServiceError
            If the archive refuses or can't be reached.
        """
        body = {
            "access": {"record": "public", "files": "public"},
            "files": {"enabled": True},
            "metadata": dict(metadata),
        }
        if known is not None:
            found = self._send("PUT", f"{self.url}/api/records/{known}/draft", json=body, absent=True)
            if found is not None:
                return found
        return self._sent("POST", f"{self.url}/api/records", json=body)

    def upload(self, draft: Mapping[str, Any], path: Path) -> bool:
        """Upload a file into a draft, unless it is there with the same checksum; return whether it was sent.

        Raises
        ------
        ServiceError
            If the archive refuses, can't be reached, or got other bytes.
        """
        files = self._link(draft, "files")
        checksum = f"md5:{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}"
        there = {entry["key"]: entry for entry in self._sent("GET", files).get("entries", [])}
        entry = there.get(path.name)
        if entry is not None and entry.get("checksum") == checksum:
            return False
        if entry is not None:
            # Begun and not finished, or another version: an archive takes a name only once.
            self._send("DELETE", f"{files}/{path.name}", absent=True)
        begun = self._sent("POST", files, json=[{"key": path.name}])
        (entry,) = (one for one in begun["entries"] if one["key"] == path.name)
        self._sent("PUT", self._link(entry, "content"), data=path.read_bytes())
        done = self._sent("POST", self._link(entry, "commit"))
        if done.get("checksum") != checksum:
            got = done.get("checksum")
            raise ServiceError(
                f"{path.name}: {self.url} got {got}, expected {checksum}: it was damaged on its way, try again"
            )
        return True

    def publish(self, number: str) -> dict[str, Any]:
        """Publish a draft; this can't be undone.

        Raises
        ------
        ServiceError
            If the archive refuses or can't be reached.
        """
        return self._sent("POST", f"{self.url}/api/records/{number}/draft/actions/publish")

    def _link(self, thing: Mapping[str, Any], name: str) -> str:
        """Return a link that the archive gave; a link to somewhere else would be given the token."""
        link = str(thing.get("links", {}).get(name, ""))
        parts = urlsplit(link)
        if (parts.scheme, parts.netloc) != self.origin:
            raise ServiceError(
                f"{self.url} sends to another host for {name!r} ({parts.netloc or 'none'}): not followed"
            )
        return link

    def _sent(self, method: str, link: str, **content: Any) -> dict[str, Any]:
        answer = self._send(method, link, **content)
        assert answer is not None
        return answer

    def _send(self, method: str, link: str, *, absent: bool = False, **content: Any) -> dict[str, Any] | None:
        """Send a request, again if that may help; return the answer's JSON, None if ``absent`` is allowed and it is."""
        import requests

        # requests knows no SSL_CERT_FILE; the downloads of this project honour it, so uploads do too.
        trust = os.environ.get("SSL_CERT_FILE") or True
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if "data" in content:
            headers["Content-Type"] = "application/octet-stream"
        problem = "no answer"
        for attempt in range(self._tries):
            wait = self._first_wait * 2.0**attempt
            try:
                answer = requests.request(
                    method, link, headers=headers, timeout=_TIMEOUT, verify=trust, allow_redirects=False, **content
                )
            except requests.RequestException as error:
                problem = type(error).__name__
            else:
                if answer.status_code < 300:
                    return _json(answer)
                if absent and answer.status_code in (404, 410):
                    return None
                problem = self._refusal(answer)
                if answer.status_code not in _PASSING:
                    break
                wait = max(wait, _seconds(answer.headers.get("Retry-After")))
            if attempt + 1 < self._tries and wait <= _LONGEST_WAIT:
                log.info("%s: %s; trying again in %.0f s", self.url, problem, wait)
                time.sleep(wait)
            else:
                break
        raise ServiceError(f"{self.url}: {method} {urlsplit(link).path}: {problem}")

    def _refusal(self, answer: Any) -> str:
        """Say in one line why the archive refused, without the token."""
        if answer.status_code in (401, 403):
            return (
                f"the token was refused ({answer.status_code}); is ZENODO_TOKEN for this archive, and may it deposit?"
            )
        values = _json(answer)
        fields = "; ".join(f"{e.get('field')}: {' '.join(e.get('messages', []))}" for e in values.get("errors", []))
        text = " ".join(f"{answer.status_code} {values.get('message', answer.reason)} {fields}".split())
        return text.replace(self._token, "***")[:300]


def _json(answer: Any) -> dict[str, Any]:
    try:
        values = answer.json()
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 0.0
