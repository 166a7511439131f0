"""The application: all addresses of a server, and what is the same for every one of them.

`Served` holds what all bundles share: the queue, the memory for bodies, metrics and health. Around the addresses stands
`Told`: it gives a request its id, asks for the token, and leaves a line of the log and a count. What goes wrong becomes
a status and one line in one place.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..bundle.errors import BundleError, ProjectError
from ..bundle.runtime import LoadedModel
from .access import Access, request_id
from .body import Bodies
from .connections import Connections, Watched
from .health import Health
from .limits import Limits
from .log import EVENTS
from .metrics import Metrics
from .open_inference import PREFIX, OpenInference
from .openapi import document
from .page import Page
from .queue import Queue
from .refusal import Refusal
from .service import Service

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Served"]

_PROBES = frozenset({
    "/ping", "/health", "/health/live", "/health/ready", "/metrics", "/v2/health/live", "/v2/health/ready",
})  # fmt: skip


class Served:
    """A server's bundles, and what they share.

    Parameters
    ----------
    models
        The loaded models; the first one is at the addresses without a name.
    limits
        What clients may take.
    access
        Who may ask, and over what.
    """

    def __init__(self, models: Sequence[LoadedModel], limits: Limits, access: Access) -> None:
        self.limits, self.access = limits, access
        self.metrics = Metrics()
        self.connections = Connections(limits, self._closed, access.tls)
        self.queue, self.bodies = Queue(limits, self.metrics.passed), Bodies(limits)
        self.health = Health(models, self.queue)
        self.services = [Service(model, self.queue, self.bodies, limits) for model in models]
        self.open_inference = OpenInference(self.services, self.health)
        for name, meaning, value in (
            ("waiting", "Requests that wait for their answer.", lambda: self.queue.waiting),
            ("queue_size", "Requests that may wait for their answer.", lambda: limits.queue),
            ("places", "Passes that can be computed at a time.", lambda: limits.parallel),
            ("places_busy", "Passes that are computed now.", lambda: self.queue.busy),
            ("connections", "Open connections.", lambda: len(self.connections)),
            ("ready", "Whether the next request would be answered.", self._ready),
        ):
            self.metrics.watch(name, meaning, value)

    def routes(self) -> list[Route]:
        """Return all addresses."""
        from starlette.routing import Route

        first = self.services[0]
        return [
            Route("/ping", _alive), Route("/health", _alive), Route("/health/live", _alive),
            Route("/health/ready", self._answer_ready), Route("/metrics", self._answer_metrics),
            Route("/openapi.json", self._answer_openapi),
            *Page(first.model, self.limits, token=bool(self.access.digest)).routes(), *first.routes(),
            *self.open_inference.routes(),
        ]  # fmt: skip

    def application(self) -> ASGIApp:
        """Return the application."""
        from starlette.applications import Starlette
        from starlette.exceptions import HTTPException

        routes = self.routes()
        found = Starlette(
            routes=routes,
            exception_handlers={
                Refusal: _refused, ProjectError: _wrong, HTTPException: _elsewhere, Exception: _failed
            },
        )  # fmt: skip
        # An address that is nearly right isn't corrected: the correction would lead to whatever host a request names.
        found.router.redirect_slashes = False
        known = frozenset(route.path for route in routes)
        return Watched(Told(found, self.access, self.metrics, known), self.connections)

    def _closed(self, reason: str) -> None:
        self.metrics.refused(reason)
        EVENTS.warning("closed", extra={"fields": {"reason": reason}})

    def _ready(self) -> float:
        try:
            self.health.check()
        except Refusal:
            return 0.0
        return 1.0

    async def _answer_ready(self, request: Request) -> Response:
        self.health.check()
        return await _alive(request)

    async def _answer_metrics(self, request: Request) -> Response:
        from starlette.responses import Response

        content, media_type = self.metrics.text()
        return Response(content, headers={"Content-Type": media_type})

    async def _answer_openapi(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        return JSONResponse(self.document())

    def document(self) -> dict[str, Any]:
        """Return the document of OpenAPI: of the first bundle, and of all models by the Open Inference Protocol."""
        token = bool(self.access.digest)
        found = document(self.services[0].model.signature, self.limits, token=token)
        paths, schemas = self.open_inference.described(self.limits, token=token)
        found["paths"] |= paths
        found["components"]["schemas"] |= schemas
        return found


async def _alive(request: Request) -> Response:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse("\n")


# These are coroutines, as Starlette would run functions in a thread each.
async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    request.state.reason = error.reason
    return _line(request.scope["path"], error.status, str(error), error.wait)


async def _wrong(request: Request, error: Exception) -> Response:
    """Answer a request that doesn't fit; a graph that can't compute what the signature allows is our mistake."""
    if not isinstance(error, BundleError):
        return await _refused(request, Refusal(400, str(error), "wrong"))
    EVENTS.error("failed", extra={"fields": {"path": request.url.path}}, exc_info=error)
    return await _refused(request, Refusal(500, str(error), "failed"))


async def _elsewhere(request: Request, error: Exception) -> Response:
    """Answer what no address is for."""
    line = f"{request.method} {request.scope['path']}: {getattr(error, 'detail', 'not found')}"
    response = await _refused(request, Refusal(getattr(error, "status_code", 404), line, "address"))
    response.headers.update(getattr(error, "headers", None) or {})
    return response


async def _failed(request: Request, error: Exception) -> Response:
    """Answer what nobody foresaw; the log has the traceback."""
    request.state.reason = "failed"
    return _line(request.scope["path"], 500, "the server failed; its log says how")


def _line(path: str, status: int, line: str, wait: int | None = None) -> Response:
    """Return the answer to a request that gets another status than 200, in ASCII: a request's own words come back."""
    from starlette.responses import Response

    own = {"error_code": "BAD_REQUEST" if status < 500 else "UNAVAILABLE", "message": line}
    content = json.dumps({"error": line} if f"{path}/".startswith(f"{PREFIX}/") else own)
    headers = {} if wait is None else {"Retry-After": str(wait)}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 408:
        headers["Connection"] = "close"
    return Response(content, status, headers, "application/json")


class Told:
    """The application, with an id, a line of the log and a count for each request, and the token asked for.

    Parameters
    ----------
    app
        The application.
    access
        Who may ask.
    metrics
        Where requests are counted.
    known
        Addresses that are counted by their own names.
    """

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics, known: frozenset[str]) -> None:
        self.app, self.access, self.metrics, self.known = app, access, metrics, known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started, status = time.perf_counter(), 0
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        own = request_id(headers.get(b"x-request-id", ""))
        state: dict[str, Any] = scope.setdefault("state", {})

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", own.encode())]
            await send(message)

        trace: BaseException | None = None
        try:
            if self.access.allows(scope["path"], headers.get(b"authorization", "")):
                await self.app(scope, receive, sent)
            else:
                state["reason"] = "token"
                line = "Authorization: expected Bearer and this server's token"
                await _line(scope["path"], 401, line)(scope, receive, sent)
        except Exception as error:
            if type(error).__name__ == "ClientDisconnect":
                status, state["reason"] = 499, "gone"
            else:
                trace = error
        finally:
            seconds = time.perf_counter() - started
            path = scope["path"]
            endpoint = str(state.get("endpoint", path if path in self.known else "other"))
            self.metrics.request(endpoint, status, seconds, state)
            told: dict[str, Any] = {
                name: state[name] for name in ("model", "examples", "outside", "explain", "reason") if name in state
            }
            fields: dict[str, Any] = {
                "id": own, "method": scope["method"], "path": path[:200], "status": status,
                "ms": round(1e3 * seconds, 1), **told,
            }  # fmt: skip
            # What probes ask every few seconds is no news as long as it is well.
            level = logging.DEBUG if path in _PROBES and status == 200 else logging.INFO
            EVENTS.log(logging.ERROR if trace else level, "request", extra={"fields": fields}, exc_info=trace)
