"""A stand-in for web services: a proxy on loopback that ends TLS itself and answers for the hosts it stands in for.

Programs reach it unmodified, as they would reach it through a proxy: set the variables in `StandIn.environment`.
What it answers is a list of routes; what goes wrong is a list of faults. Every request is kept, with the bytes sent.
"""

from __future__ import annotations

import contextlib
import fnmatch
import http.server
import json
import re
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeAlias

import trustme

__all__ = ["Answer", "Fault", "Handler", "Request", "StandIn", "cut", "drip", "instead", "stall"]

_PIECE = 32 * 1024


@dataclass
class Request:
    """A request that came in, and how much was sent in answer."""

    method: str
    host: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    status: int = 0
    sent: int = 0

    @property
    def start(self) -> int | None:
        """First byte that a ``Range`` header asks for."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(found[1]) if found else None


@dataclass(frozen=True)
class Answer:
    """An answer, and what goes wrong while it is sent.

    ``cut_after`` bytes of the body the connection is cut; ``stall_after`` bytes it is silent until the event is set;
    with ``drip`` it comes byte by byte, each after so many seconds. ``never`` says "100 Continue" for ever instead.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    ranges: bool = False
    cut_after: int | None = None
    stall_after: int | None = None
    stall_until: threading.Event | None = None
    drip: float = 0.0
    never: bool = False

    @classmethod
    def json(cls, value: Any, status: int = 200, **headers: str) -> Answer:
        """Answer with JSON; underscores in header names become hyphens."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})

    @classmethod
    def redirect(cls, location: str) -> Answer:
        """Answer with a redirect."""
        return cls(302, b"", {"Location": location})


Handler: TypeAlias = Callable[[Request, "re.Match[str]"], Answer]
Fault: TypeAlias = Callable[[Answer], Answer]


def instead(answer: Answer) -> Fault:
    """Give this answer, whatever it would have been."""
    return lambda _: answer


def cut(after: int) -> Fault:
    """Cut the connection after some bytes of the body, counted from the start of what is sent."""
    return lambda answer: replace(answer, cut_after=after)


def stall(after: int, until: threading.Event) -> Fault:
    """Fall silent after some bytes, until the event is set."""
    return lambda answer: replace(answer, stall_after=after, stall_until=until)


def drip(seconds: float) -> Fault:
    """Send byte by byte, each after so many seconds: never silent, and never done."""
    return lambda answer: replace(answer, drip=seconds)


@dataclass
class _Planned:
    fault: Fault
    path: str
    times: int
    method: str
    done: bool

    def meets(self, request: Request) -> bool:
        """Tell whether it is due for a request."""
        meant = ((request.method, self.method), (request.path, self.path))
        return self.times > 0 and all(fnmatch.fnmatchcase(value, pattern) for value, pattern in meant)


class StandIn:
    """A running stand-in; a context manager.

    Parameters
    ----------
    hosts
        The hosts to answer for; others are refused, so that nothing leaves the machine.
    folder
        Where the certificate of its CA is written.
    """

    def __init__(self, hosts: Iterable[str], folder: Path) -> None:
        self.hosts = frozenset(hosts)
        self.requests: list[Request] = []
        self.refused: list[str] = []
        self.lock = threading.RLock()
        self._routes: list[tuple[str, str, re.Pattern[str], Handler]] = []
        self._faults: list[_Planned] = []
        self._events: list[threading.Event] = []
        authority = trustme.CA()
        self.certificate = folder / "standin-ca.pem"
        authority.cert_pem.write_to_path(self.certificate)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*sorted(self.hosts)).configure_cert(self.tls)
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._server.standin = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        for event in self._events:
            event.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """Address of the proxy."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead programs here."""
        return {"HTTPS_PROXY": self.address, "SSL_CERT_FILE": str(self.certificate)}

    def route(self, method: str, host: str, path: str, handler: Handler) -> None:
        """Answer requests whose path (decoded) matches a regular expression; later routes go first."""
        self._routes.insert(0, (method, host, re.compile(path), handler))

    def fail(self, fault: Fault, path: str = "*", times: int = 1, *, method: str = "*", done: bool = True) -> None:
        """Let the next ``times`` answers to paths that match a glob go wrong; faults for one path happen in turn.

        With ``done`` the request was carried out all the same, and only its answer is wrong.
        """
        self._faults.append(_Planned(fault, path, times, method, done))

    def mend(self) -> None:
        """Let nothing go wrong any more."""
        self._faults.clear()

    def event(self) -> threading.Event:
        """Return an event that is set at the latest when the stand-in stops."""
        self._events.append(threading.Event())
        return self._events[-1]

    def seen(self, path: str = "*") -> list[Request]:
        """Return the requests so far whose path matches a glob."""
        with self.lock:
            return [request for request in self.requests if fnmatch.fnmatchcase(request.path, path)]

    def sent(self, path: str = "*") -> int:
        """Return the bytes of bodies sent so far for paths that match a glob."""
        return sum(request.sent for request in self.seen(path))

    def answer(self, request: Request) -> Answer:
        """Find the answer to a request, with the faults that are due."""
        with self.lock:
            self.requests.append(request)
            due = next((planned for planned in self._faults if planned.meets(request)), None)
            answer = self._routed(request) if due is None or due.done else Answer.json({})
            if due is not None:
                due.times -= 1
                answer = due.fault(answer)
        return _ranged(answer, request.start) if answer.ranges else answer

    def _routed(self, request: Request) -> Answer:
        for method, host, path, handler in self._routes:
            match = path.fullmatch(request.path)
            if match and (method, host) == (request.method, request.host):
                return handler(request, match)
        return Answer.json({"status": 404, "message": f"nothing at {request.path}"}, 404)


def _ranged(answer: Answer, start: int | None) -> Answer:
    size = len(answer.body)
    if start is None or answer.status != 200:
        return answer
    if start >= size:
        return Answer(416, b"", {"Content-Range": f"bytes */{size}"})
    headers = {**answer.headers, "Content-Range": f"bytes {start}-{size - 1}/{size}"}
    return replace(answer, status=206, body=answer.body[start:], headers=headers)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    standin: StandIn


class _Connection(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    host = ""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name in the standard library)
        """Say nothing: the requests are kept."""

    def do_CONNECT(self) -> None:
        """Open a tunnel that ends here."""
        self.host = self.path.partition(":")[0]
        if self.host not in self.server.standin.hosts:
            self.server.standin.refused.append(self.host)
            self.send_error(403, "No such host here")
            return
        self.send_response(200, "Connection established")
        self.end_headers()
        try:
            self.connection = self.server.standin.tls.wrap_socket(self.connection, server_side=True)
        except OSError:  # the client doesn't trust our CA: that is its business
            self.close_connection = True
            return
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False

    def _serve(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        request = Request(
            method=self.command,
            host=self.host,
            path=urllib.parse.unquote(parts.path),
            query=urllib.parse.parse_qs(parts.query),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("content-length") or 0)),
        )
        answer = self.server.standin.answer(request)
        request.status = answer.status
        try:
            while answer.never:
                self.send_response_only(100)
                self.end_headers()
                threading.Event().wait(0.02)
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self._send(answer, request)
        except OSError:  # the client went away, for example because it was killed
            self.close_connection = True

    def _send(self, answer: Answer, request: Request) -> None:
        ends = {len(answer.body), answer.cut_after, answer.stall_after} - {None}
        stops = sorted(end for end in ends if end is not None and end <= len(answer.body))
        for stop in stops:
            while request.sent < stop:
                piece = answer.body[request.sent : min(stop, request.sent + (1 if answer.drip else _PIECE))]
                if answer.drip:
                    threading.Event().wait(answer.drip)
                self.wfile.write(piece)
                request.sent += len(piece)
            if request.sent == answer.stall_after and answer.stall_until is not None:
                answer.stall_until.wait()
            if request.sent == answer.cut_after:
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                return

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815
