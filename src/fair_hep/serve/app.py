"""The application: all addresses, and one place where what goes wrong becomes a status, one line and a log line."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

from ..bundle.errors import BundleError, ProjectError
from ..bundle.runtime import LoadedModel
from .body import Bodies
from .connections import Connections, Watched
from .limits import Limits
from .log import EVENTS
from .queue import Queue
from .refusal import Refusal
from .service import Service

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["application"]


def application(model: LoadedModel, limits: Limits, connections: Connections | None = None) -> ASGIApp:
    """Return the application of a loaded model.

    Parameters
    ----------
    model
        The model.
    limits
        What clients may take.
    connections
        Those of the server around it; None: nobody watches them.
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    queue, bodies = Queue(limits), Bodies(limits)
    service = Service(model, queue, bodies, limits)
    found = Starlette(
        routes=[Route("/ping", _ping), Route("/health", _ping), *service.routes()],
        exception_handlers={Refusal: _refused, ProjectError: _wrong, HTTPException: _elsewhere, Exception: _failed},
    )
    # An address that is nearly right isn't corrected: the correction would lead to whatever host the request names.
    found.router.redirect_slashes = False
    told = Told(found)
    return told if connections is None else Watched(told, connections)


async def _ping(request: Request) -> Response:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse("\n")


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    request.state.reason = error.reason
    return _line(error.status, str(error), error.wait)


def _wrong(request: Request, error: Exception) -> Response:
    """Answer a request that doesn't fit; a graph that can't compute what the signature allows is our mistake."""
    request.state.reason = "wrong"
    if isinstance(error, BundleError):
        EVENTS.error("failed", extra={"fields": {"path": request.url.path}}, exc_info=error)
        return _line(500, str(error))
    return _refused(request, Refusal(400, str(error), "wrong"))


def _elsewhere(request: Request, error: Exception) -> Response:
    """Answer what no address is for."""
    status = getattr(error, "status_code", 404)
    request.state.reason = "address"
    headers = getattr(error, "headers", None)
    response = _line(status, f"{request.method} {request.url.path}: {getattr(error, 'detail', 'not found')}")
    response.headers.update(headers or {})
    return response


def _failed(request: Request, error: Exception) -> Response:
    """Answer what nobody foresaw; the log has the traceback."""
    request.state.reason = "failed"
    return _line(500, "the server failed; its log says how")


def _line(status: int, line: str, wait: int | None = None) -> Response:
    """Return the answer to a request that gets another status than 200, in ASCII: a request's own words come back."""
    from starlette.responses import Response

    content = json.dumps({"error_code": "BAD_REQUEST" if status < 500 else "UNAVAILABLE", "message": line})
    headers = {} if wait is None else {"Retry-After": str(wait)}
    if status == 408:
        headers["Connection"] = "close"
    return Response(content, status, headers, "application/json")


class Told:
    """The application, and a line of the log for each request; an error that nobody foresaw is told, and answered.

    Parameters
    ----------
    app
        The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        started, status = time.perf_counter(), 0
        state: dict[str, Any] = scope.setdefault("state", {})

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        trace: BaseException | None = None
        try:
            await self.app(scope, receive, sent)
        except Exception as error:
            if type(error).__name__ == "ClientDisconnect":
                status, state["reason"] = 499, "gone"
            else:
                trace = error
        finally:
            fields = {
                "method": scope["method"], "path": scope["path"][:200], "status": status,
                "ms": round(1e3 * (time.perf_counter() - started), 1),
                **{name: state[name] for name in ("examples", "outside", "explain", "reason") if name in state},
            }  # fmt: skip
            level = logging.ERROR if trace is not None else logging.INFO
            EVENTS.log(level, "request", extra={"fields": fields}, exc_info=trace)
