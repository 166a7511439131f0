"""Requests to an archive that is busy, slow or down: what may pass is tried again, what won't is one clear line.

`Client.get` sends one request and judges the answer; `Client.wait` decides whether and when to try again. A redirect is
followed only within the same host and scheme, unless the caller expects that the bytes lie elsewhere, as some archives
keep them at a cloud's storage: then to any public host over https, without a token.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from ..bundle.deadline import within
from ..bundle.errors import DataError
from ..bundle.http import CHUNK, host_of, readable, retry_after
from ..bundle.text import parse_json

if TYPE_CHECKING:
    import requests

__all__ = ["Client", "InterruptedTransfer", "Patience", "limited"]

log = logging.getLogger(__name__)

_LARGEST_JSON = 64 * 1024 * 1024
_REDIRECTS = 5
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Patience:
    """How long to put up with a server.

    Parameters
    ----------
    tries
        Attempts in a row that may fail without a single new byte, at least 1.
    first_wait
        Seconds before the second attempt; the pause doubles with each further one.
    longest_wait
        Longest pause in seconds; a server that asks for more (``Retry-After``) ends the attempt.
    timeout
        Seconds of silence after which a connection counts as cut.
    answer
        Seconds after which the head of an answer must be there, and the whole of a description; a server that sends a
        byte now and then is never silent.
    minute, slowest
        Bytes a second that the transfer of a file must bring on average, after so many seconds.
    """

    tries: int = 6
    first_wait: float = 1.0
    longest_wait: float = 300.0
    timeout: float = 30.0
    answer: float = 120.0
    minute: float = 60.0
    slowest: float = 5_000.0

    def pause(self, failures: int, asked: float | None) -> float:
        """Return the seconds to wait after some failures in a row (1 or more); never less than the server asked."""
        wait = self.first_wait * 2.0 ** (failures - 1)
        return min(max(wait, asked or 0.0), self.longest_wait)


class InterruptedTransfer(Exception):  # noqa: N818 (it isn't an error yet)
    """An attempt failed in a way that may pass.

    Parameters
    ----------
    reason
        What happened, as part of a sentence.
    wait
        Seconds that the server asked to wait, if it did.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Client:
    """Asks one archive; honours ``HTTPS_PROXY``, ``NO_PROXY`` and ``SSL_CERT_FILE``.

    Parameters
    ----------
    token
        Sent as a header, so that it never appears in an address or a log.
    patience
        How long to put up with the server.
    """

    def __init__(self, token: str | None = None, patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self._token = token
        self._session = _open_session(token)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self._session.close()

    @contextlib.contextmanager
    def get(
        self, url: str, what: str, headers: Mapping[str, str] | None = None, *, elsewhere: bool = False
    ) -> Iterator[requests.Response]:
        """Send one request and give its answer: 200, 206 or 416.

        Raises
        ------
        InterruptedTransfer
            If trying again may help; also while the answer is read.
        DataError
            If it won't.
        """
        import requests
        import urllib3

        try:
            follow = functools.partial(self._follow, url, what, headers or {}, elsewhere)
            with within(self.patience.answer, follow, host_of(url)) as response:
                _judge(response, what, self.patience)
                yield response
        except TimeoutError as error:
            raise InterruptedTransfer(str(error)) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _translated(error, url, what, self.patience) from error

    def _follow(self, url: str, what: str, headers: Mapping[str, str], elsewhere: bool) -> requests.Response:
        for _ in range(_REDIRECTS):
            response = self._session.get(
                url, headers=dict(headers), timeout=self.patience.timeout, stream=True, allow_redirects=False
            )
            if not response.is_redirect:
                return response
            target = urljoin(url, response.headers["location"])
            response.close()
            away = urlsplit(target)[:2] != urlsplit(url)[:2]
            if away and not (elsewhere and self._token is None and _is_public(target)):
                raise DataError(
                    f"{what}: {host_of(url)} redirects to {urlsplit(target).scheme}://{host_of(target)}, "
                    "which isn't followed; fetch the file by hand if you trust that place"
                )
            url = target
        raise DataError(f"{what}: {host_of(url)} redirects more than {_REDIRECTS} times; try again later")

    def wait(self, problem: InterruptedTransfer, failures: int, what: str, advice: str) -> None:
        """Wait before the next attempt, or give up.

        Raises
        ------
        DataError
            If there were enough failures in a row.
        """
        if failures >= self.patience.tries:
            count = "once" if failures == 1 else f"{failures} times in a row"
            raise DataError(f"{what}: {problem}, {count}; {advice}") from problem
        pause = self.patience.pause(failures, problem.wait)
        log.warning("%s: %s; next try in %.1f s (%d of %d)", what, problem, pause, failures + 1, self.patience.tries)
        time.sleep(pause)

    def read_json(self, url: str, what: str) -> Any:
        """Return the JSON that lies at an address.

        Raises
        ------
        DataError
            If it can't be had, or isn't JSON.
        """
        text = self._text(url, what)
        try:
            return parse_json(text)
        except ValueError as error:
            start = " ".join(text[:40].decode("utf-8", "replace").split())
            raise DataError(
                f"{what}: {host_of(url)} answered {start!r}, expected JSON; it may be in maintenance, try again later"
            ) from error

    def _description(self, url: str, what: str) -> bytes:
        with self.get(url, what, {"Accept": "application/json"}) as response:
            return limited(response, what)

    def _text(self, url: str, what: str) -> bytes:
        failures = 0
        while True:
            try:
                return within(self.patience.answer, lambda: self._description(url, what), host_of(url))
            except (InterruptedTransfer, TimeoutError) as error:
                problem = error if isinstance(error, InterruptedTransfer) else InterruptedTransfer(str(error))
                failures += 1
                self.wait(problem, failures, what, "check the network and run the same command again")


def _open_session(token: str | None) -> requests.Session:
    import requests

    def authorise(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    session = requests.Session()
    # Set even without a token: requests would otherwise take a login from ~/.netrc.
    session.auth = authorise
    session.headers["Accept-Encoding"] = "identity"
    # Requests knows its own variables, but not the one of OpenSSL, which zenodo-get reads.
    session.verify = os.environ.get("SSL_CERT_FILE") or True
    return session


def _judge(response: requests.Response, what: str, patience: Patience) -> None:
    """Let 200, 206 and 416 pass; turn every other status into the right exception."""
    status, host = response.status_code, host_of(response.url)
    if status in (200, 206, 416):
        return
    if status in _PASSING:
        asked = retry_after(response.headers.get("retry-after"))
        if asked is not None and asked > patience.longest_wait:
            raise DataError(
                f"{what}: {host} answered {status} and asks to wait {asked:.0f} s; run the same command again then"
            )
        raise InterruptedTransfer(f"{host} answered {status}", asked)
    meaning = {
        401: "the token in ZENODO_TOKEN isn't valid",
        403: "the files are restricted, or this address is blocked for a while; "
        + ("set ZENODO_TOKEN, or try again later" if host.endswith("zenodo.org") else "look at the record's page"),
        404: "it doesn't exist; check the DOI",
        410: "it was withdrawn; look at the record's page",
    }.get(status, "expected 200; try again later")
    raise DataError(f"{what}: {host} answered {status}: {meaning}")


def _translated(error: Exception, url: str, what: str, patience: Patience) -> Exception:
    """Turn an exception of requests into ours; its own text isn't shown, since it may hold a proxy's password."""
    import urllib3
    from requests import exceptions as known

    host = host_of(url)
    if isinstance(error, known.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return DataError(
            f"{what}: the certificate of {host} isn't trusted; behind a proxy with its own CA, set SSL_CERT_FILE"
        )
    if isinstance(error, known.ProxyError):
        return InterruptedTransfer("the proxy in HTTPS_PROXY can't be reached or refuses")
    # A time-out in the middle of a body arrives as a plain ConnectionError.
    if isinstance(error, known.Timeout | urllib3.exceptions.TimeoutError) or "timed out" in str(error).lower():
        return InterruptedTransfer(f"{host} was silent for {patience.timeout:g} s")
    if isinstance(error, known.ChunkedEncodingError | known.SSLError | urllib3.exceptions.HTTPError):
        return InterruptedTransfer(f"{host} cut the connection")
    if isinstance(error, known.ConnectionError):
        return InterruptedTransfer(f"no connection to {host}")
    return DataError(f"{what}: {host} can't be asked: {type(error).__name__}; check HTTPS_PROXY and the link")


def _is_public(url: str) -> bool:
    """Tell whether an address is https at a host with a name that the whole world may ask."""
    parts = urlsplit(url)
    return parts.scheme == "https" and re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", parts.netloc.lower()) is not None


def limited(response: requests.Response, what: str) -> bytes:
    """Return the body of an answer that is a description.

    Raises
    ------
    DataError
        If it is larger than any.
    """
    content = bytearray()
    for chunk in response.iter_content(CHUNK):
        content += chunk
        if len(content) > _LARGEST_JSON:
            raise DataError(f"{what}: the answer is larger than {readable(_LARGEST_JSON)}, expected a description")
    return bytes(content)
