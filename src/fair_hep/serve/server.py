"""Start the server on a socket, and end it in time, whatever clients do."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bundle.errors import ProjectError, ServiceError
from ..bundle.extras import need
from ..bundle.folder import check_files
from ..bundle.runtime import LoadedModel, find_bundle
from ..bundle.slug import slug_of
from .access import Access
from .app import Served
from .connections import Guard
from .limits import Limits
from .log import EVENTS, attach

if TYPE_CHECKING:
    import uvicorn

__all__ = ["main", "make_server", "serve"]

#: Connections that the loop takes in one go: asyncio takes as many as its backlog before it looks at the first one, so
#: a long backlog would exhaust the files that a process may have, however few connections are let in. The kernel
#: keeps the longer queue.
_AT_ONCE, _BACKLOG = 32, 1024


def serve(*places: str | Path, host: str, port: int) -> None:
    """Check bundles, and serve them until SIGTERM or SIGINT.

    Parameters
    ----------
    places
        Folders or DOIs of the bundles; the first one is at the addresses without a name.
    host, port
        Where to listen.

    Raises
    ------
    DataError
        If a library of the extra [serve] isn't installed, a limit in the environment isn't what it should be, or two
        bundles are one version of one model.
    ServiceError
        If the port is taken.
    BundleError, MissingStepError
        If a bundle isn't whole.
    """
    need("serve", ("prometheus_client", "starlette", "uvicorn"), "serve")
    limits, access = Limits.read(), Access.read()
    models = []
    for folder in map(find_bundle, places):
        check_files(folder)
        # Requests run beside each other: one thread for each makes the most of the cores.
        models.append(LoadedModel(folder, threads=1))
    server = make_server(models, limits, access)
    attach(limits.log_lines)
    listening = _listen(host, port)
    own = {"models": {f"{slug_of(one.folder)} {one.signature.version}": one.signature.model for one in models}}
    with listening:
        EVENTS.info(
            "started",
            extra={
                "fields": {**own, "host": host, "port": port, "tls": access.tls is not None, "limits": asdict(limits)}
            },
        )
        server.run(sockets=[listening])


def make_server(models: Sequence[LoadedModel], limits: Limits, access: Access) -> uvicorn.Server:
    """Return a server of loaded models, which ``run`` starts on sockets.

    Parameters
    ----------
    models
        The models.
    limits
        What clients may take.
    access
        Who may ask, and over what.
    """
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    served = Served(models, limits, access)

    class Guarded(Guard):
        """A connection with uvicorn's protocol inside."""

        def __init__(self, **given: Any) -> None:
            super().__init__(H11Protocol(**given), served.connections)

    class Server(uvicorn.Server):
        """Ends in time: whoever hasn't asked anything yet is closed first."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            for one in sockets or []:
                one.listen(_BACKLOG)
            served.health.begin()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            served.connections.end()
            await super().shutdown(sockets)
            # Said here, as the signal that ended it is raised again on the way out.
            served.queue.end()
            EVENTS.info("stopped", extra={"fields": {}, "always": True})

    return Server(
        uvicorn.Config(
            served.application(),
            http=Guarded,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            # Nobody is believed who says that he asks for somebody else.
            proxy_headers=False,
            server_header=False,
            backlog=_AT_ONCE,
            timeout_keep_alive=max(1, int(limits.idle_seconds)),
            timeout_graceful_shutdown=max(1, int(limits.grace_seconds)),
        )
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        # Connections inherit it; asyncio sets it for sockets of its own only. Without it the body of an answer waits
        # until the client has confirmed the head, which takes it 40 ms.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made
    except OSError as error:
        raise ServiceError(
            f"serve: {host}:{port}: {error.strerror or error}; choose another one with --port"
        ) from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve bundles, as the image does: a mistake is one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="serve", description="Serve bundles over HTTP.")
    parser.add_argument("bundles", nargs="+", metavar="bundle")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    chosen = parser.parse_args(arguments)
    try:
        serve(*chosen.bundles, host=chosen.host, port=chosen.port)
    except ProjectError as error:
        sys.exit(f"error: {error}")
