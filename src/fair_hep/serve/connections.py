"""Who may be connected, and how long: a deadline for each state of a connection, a cap on all of them, a quick end.

uvicorn has a deadline for the time between two requests and none for a header, a body or an answer that isn't taken,
and its limit on concurrency counts what has sent a header. `Guard` stands between the socket and uvicorn's protocol,
and uses nothing but the interface of `asyncio.Protocol`; which state a connection is in, `Watched` tells it, outermost
around the application. They find each other by the client's address.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .limits import Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Connections", "Guard", "Watched"]

#: States: waiting for a request, for the rest of its header, of its body, for the answer, for the client to take it,
#: for the rest of a body that was refused (who still sends wouldn't see the answer of a connection that is closed).
IDLE, HEADER, BODY, WORK, SEND, REST = "idle", "header", "body", "work", "send", "rest"
#: States in which a connection may be closed for another one, or at the end: nothing that was asked is lost.
_IDLE = frozenset({IDLE, HEADER, BODY, REST})
_LATER = 2.0
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Connections:
    """All connections of a server.

    Parameters
    ----------
    limits
        How many there may be, and how long they may take.
    refused
        Told of every one that is closed before it got an answer: by which reason.
    tls
        Of the server's certificate; None: connections aren't encrypted.
    """

    def __init__(
        self, limits: Limits, refused: Callable[[str], None] = lambda reason: None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.limits, self.refused, self.tls = limits, refused, tls
        self.ending = False
        #: In the order in which their state began, the longest first.
        self._open: dict[Guard, None] = {}
        self._by_client: dict[Any, Guard] = {}
        self.seconds = {
            IDLE: limits.idle_seconds,
            HEADER: limits.header_seconds,
            # Whoever reads the body has a deadline too, and tells the client.
            BODY: limits.body_seconds + _LATER,
            SEND: limits.send_seconds,
            REST: limits.header_seconds,
        }

    def __len__(self) -> int:
        return len(self._open)

    def add(self, guard: Guard) -> bool:
        """Take a new connection; if there is no room, in the place of that which has kept us waiting longest."""
        if self.ending:
            return False
        if len(self._open) >= self.limits.connections:
            oldest = next((one for one in self._open if one.state in _IDLE), None)
            self.refused("connections")
            if oldest is None:
                return False
            oldest.close()
            self.remove(oldest)
        self._open[guard] = None
        self._by_client[guard.client] = guard
        return True

    def remove(self, guard: Guard) -> None:
        """Forget a connection."""
        self._open.pop(guard, None)
        if self._by_client.get(guard.client) is guard:
            del self._by_client[guard.client]

    def moved(self, guard: Guard) -> None:
        """Put a connection whose state has begun behind all others."""
        if guard in self._open:
            del self._open[guard]
            self._open[guard] = None

    def of(self, client: Any) -> Guard | None:
        """Return the connection of a client, by its address in the scope of a request."""
        return self._by_client.get(tuple(client)) if client else None

    def end(self) -> None:
        """Close all that haven't asked anything yet, and take no new ones; what is computed is still answered."""
        self.ending = True
        for guard in list(self._open):
            if guard.state in _IDLE:
                guard.close()


class Guard(asyncio.Protocol):
    """One connection: passes everything on to the protocol inside, and closes what takes too long.

    Parameters
    ----------
    inside
        uvicorn's protocol.
    connections
        All connections of the server.
    """

    def __init__(self, inside: asyncio.Protocol, connections: Connections) -> None:
        self.inside, self.connections = inside, connections
        self.state = IDLE
        self.client: tuple[Any, ...] | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._refused = False
        #: Whether more is to be written than the client takes, and which state begins when it has taken that.
        self._full, self._then = False, ""
        #: Whether the protocol inside knows of the connection, what came before, and the handshake of TLS.
        self._made, self._early = False, b""
        self._handshake: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let a connection in, or close it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.client = tuple(peer[:2]) if isinstance(peer, tuple) else None
        if not self.connections.add(self):
            self._refused = True
            transport.write(_FULL)
            transport.close()
            return
        self.enter(HEADER)
        if self.connections.tls is None:
            self._let_in(transport)
        else:
            # uvicorn's own TLS shakes hands before anybody counts the connection, for up to a minute.
            transport.pause_reading()
            self._handshake = asyncio.get_running_loop().create_task(self._secure(transport, self.connections.tls))

    async def _secure(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        """Shake hands, and let the encrypted connection in."""
        seconds = self.connections.limits.header_seconds
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, self, tls, server_side=True, ssl_handshake_timeout=seconds
            )
        except (OSError, TimeoutError):  # no TLS, or none that both know
            self.connections.refused("tls")
            transport.abort()
            return
        if isinstance(secured, asyncio.Transport):  # None if it was lost meanwhile
            self._let_in(secured)

    def _let_in(self, transport: asyncio.Transport) -> None:
        self._transport, self._made = transport, True
        self.inside.connection_made(transport)
        if self._early:
            self.inside.data_received(self._early)
            self._early = b""

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        if self._refused:
            return
        if not self._made:
            self._early += data
            return
        if self.state == IDLE:
            self.enter(HEADER)
        self.inside.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass the end of what the client sends on."""
        return self.inside.eof_received() if self._made else None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop()
        if not self._refused:
            self.connections.remove(self)
        if self._made:
            self.inside.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on that the client takes nothing for now."""
        self._full = True
        self.inside.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the client takes more."""
        self._full = False
        if self._then:
            self.enter(self._then)
        self.inside.resume_writing()

    def enter(self, state: str) -> None:
        """Begin a state, with its deadline; what is written already is taken first."""
        self._then = state if self._full and state in (IDLE, REST) else ""
        if self._then:
            return
        self._stop()
        if state in (IDLE, REST) and self.connections.ending:
            # The answer is written; what the socket hasn't taken yet still goes out.
            assert self._transport is not None
            self._transport.close()
        self.state = state
        self.connections.moved(self)
        if (seconds := self.connections.seconds.get(state)) is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._late)

    def close(self) -> None:
        """Close at once, whatever is left to write."""
        assert self._transport is not None
        self._transport.abort()

    def _late(self) -> None:
        if self.state not in (IDLE, REST):
            self.connections.refused(f"late {self.state}")
        self.close()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Watched:
    """The application, watched for what its connection is doing.

    Parameters
    ----------
    app
        The application.
    connections
        All connections of the server.
    """

    def __init__(self, app: ASGIApp, connections: Connections) -> None:
        self.app, self.connections = app, connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        guard = self.connections.of(scope.get("client")) if scope["type"] == "http" else None
        if guard is None:
            await self.app(scope, receive, send)
            return

        headers = dict(scope["headers"])
        # A request without a body is whole when its header is.
        whole = headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers

        async def received() -> Message:
            nonlocal whole
            message = await receive()
            if guard.state == BODY and not message.get("more_body", False):
                whole = True
                guard.enter(WORK)
            return message

        async def sent(message: Message) -> None:
            if guard.state != SEND:
                guard.enter(SEND)
            await send(message)

        guard.enter(WORK if whole else BODY)
        try:
            await self.app(scope, received, sent)
        finally:
            guard.enter(IDLE if whole else REST)
