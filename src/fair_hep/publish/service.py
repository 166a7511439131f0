"""Requests to an archive with a token: again if that may help, in one clear line if it won't.

The token is sent to the archive's own host only, and appears in no message.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from ..archives.web import limited
from ..bundle.deadline import within
from ..bundle.errors import ServiceError
from ..bundle.http import retry_after, without_secrets
from ..bundle.text import parse_json

if TYPE_CHECKING:
    import requests

__all__ = ["Service", "Unclear"]

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
#: Answers of a server that did nothing: to send the request again can't do it twice.
_NOTHING_DONE = frozenset({429, 503})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_LONGEST_WAIT = 90.0
_TIMEOUT = 60.0
#: Seconds until a whole answer is there, and bytes a second that an upload may need in addition.
_LONGEST_ANSWER, _SLOWEST = 300.0, 5_000.0
#: Zenodo's own records come in an older form if this isn't asked for; files have one form only.
_ACCEPT = "application/vnd.inveniordm.v1+json, application/json;q=0.9"

log = logging.getLogger(__name__)


class Unclear(ServiceError):  # noqa: N818 (nothing is known to be wrong yet)
    """No answer, or one that leaves open whether the request was carried out."""


class Service:
    """An archive's address, and the right to change things there.

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

    Raises
    ------
    ServiceError
        If the address isn't encrypted, since a token is sent there.
    """

    def __init__(self, url: str, token: str, *, tries: int = 5, first_wait: float = 1.0) -> None:
        parts = urlsplit(url)
        shown = without_secrets(url)
        if "@" in parts.netloc:
            raise ServiceError(f"{shown}: expected an address without a name and a password, since a token is sent")
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ServiceError(f"{shown}: expected an address that begins with https://, since a token is sent there")
        self.url = url.rstrip("/")
        self.tries, self.first_wait = tries, first_wait
        self._token = token
        self._session: requests.Session | None = None

    def address(self, link: str) -> str:
        """Return the full address of a link that the archive gave; one to another host would be given the token.

        Raises
        ------
        ServiceError
            If it leads to another host.
        """
        full = urljoin(f"{self.url}/", link)
        if urlsplit(full)[:2] != urlsplit(self.url)[:2]:
            host = urlsplit(full).netloc or "none"
            raise ServiceError(f"{self.url} sends to another host ({host}): not followed, since it would get the token")
        return full

    def sent(self, method: str, link: str, *, repeat: bool = True, **content: Any) -> dict[str, Any]:
        """Send a request; return the answer's JSON. The parameters are those of `asked`."""
        answer = self._send(method, link, repeat=repeat, absent=False, **content)
        return answer if answer is not None else {}

    def asked(self, method: str, link: str, **content: Any) -> dict[str, Any] | None:
        """Send a request about something that may not be there; return the answer's JSON, or None.

        Parameters
        ----------
        method, link
            The request; links are relative to the archive's address.
        content
            ``json``, ``params``, or ``file``: a path whose bytes are sent.

        Raises
        ------
        Unclear
            If the last attempt may or may not have been carried out.
        ServiceError
            If the archive refuses.
        """
        return self._send(method, link, repeat=True, absent=True, **content)

    def _send(self, method: str, link: str, *, repeat: bool, absent: bool, **content: Any) -> dict[str, Any] | None:
        address = self.address(link)
        for attempt in range(1, self.tries + 1):
            status, wait, problem = None, 0.0, ""
            try:
                answer, body = self._request(method, address, dict(content))
            except _network_errors() as error:
                problem = str(error) if isinstance(error, TimeoutError) else type(error).__name__
            else:
                status = answer.status_code
                if status < 300:
                    return _json(body)
                if absent and status in (404, 410):
                    return None
                problem, wait = self._refusal(answer, body), retry_after(answer.headers.get("Retry-After")) or 0.0
                if status not in _PASSING:
                    raise ServiceError(self._line(method, address, problem))
            wait = max(wait, self.first_wait * 2.0 ** (attempt - 1))
            if attempt == self.tries or wait > _LONGEST_WAIT or not (repeat or status in _NOTHING_DONE):
                later = f"; it asks to wait {wait:.0f} s" if wait > _LONGEST_WAIT else ""
                raise Unclear(self._line(method, address, f"{problem}{later}; run the same command again"))
            log.info("%s: %s; trying again in %.0f s", self.url, problem, wait)
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _line(self, method: str, address: str, problem: str) -> str:
        return f"{self.url}: {method} {urlsplit(address).path}: {problem}"

    def _request(self, method: str, address: str, content: dict[str, Any]) -> tuple[Any, bytes]:
        """Return an answer and its body, which is a description of limited size, in limited time."""
        import requests

        if self._session is None:
            self._session = requests.Session()
            # Not as a plain header: requests would put a login from ~/.netrc in its place.
            self._session.auth = self._authorise
        # requests knows no SSL_CERT_FILE; the downloads of this project honour it, so uploads do too.
        trust = os.environ.get("SSL_CERT_FILE") or True
        headers = {"Accept": _ACCEPT}
        path: Path | None = content.pop("file", None)
        session, longest = self._session, _LONGEST_ANSWER
        if path is not None:
            headers["Content-Type"] = "application/octet-stream"
            longest += path.stat().st_size / _SLOWEST

        def ask() -> tuple[Any, bytes]:
            with contextlib.ExitStack() as stack:
                data = None if path is None else stack.enter_context(path.open("rb"))
                answer = session.request(
                    method, address, headers=headers, timeout=_TIMEOUT, verify=trust, allow_redirects=False,
                    stream=True, data=data, **content,
                )  # fmt: skip
                with answer:
                    return answer, limited(answer, urlsplit(address).path)

        return within(longest, ask, urlsplit(address).hostname or "the archive")

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _refusal(self, answer: Any, body: bytes) -> str:
        """Say in one line why the archive refused, without the token."""
        if answer.status_code in (401, 403):
            return f"the token was refused ({answer.status_code}); is it for this archive, and may it deposit?"
        values = _json(body)
        found = values.get("errors")
        errors = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        fields = "; ".join(f"{one.get('field')}: {_joined(one.get('messages'))}" for one in errors)
        text = " ".join(f"{answer.status_code} {values.get('message', answer.reason)} {fields}".split())
        return text.replace(self._token, "***")[:300]


def _joined(messages: Any) -> str:
    return " ".join(map(str, messages)) if isinstance(messages, list) else str(messages or "")


def _network_errors() -> tuple[type[Exception], ...]:
    import requests
    import urllib3

    return TimeoutError, requests.RequestException, urllib3.exceptions.HTTPError


def _json(body: bytes) -> dict[str, Any]:
    try:
        values = parse_json(body)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
