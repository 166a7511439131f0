"""Serve a bundle over HTTP without MLflow and without a training framework: what the image runs.

The endpoints are those of ``mlflow models serve``: ``/ping`` and ``/health``, ``/version``, and ``/invocations``, which
takes ``{"inputs": [...], "params": {...}}``. What doesn't fit gets status 400 and one line. Every request is logged as
a line of JSON on standard output. ``fair-hep serve BUNDLE`` starts it, and ``python -m fair_hep.bundle.server BUNDLE``;
SIGTERM lets it finish what it began.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .answer import OUTSIDE, answer
from .errors import DataError, ProjectError
from .extras import need
from .folder import check_files
from .runtime import LoadedModel, find_bundle

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["Limits", "application", "main", "serve"]

MEGABYTE = 2**20


class Limits:
    """What one request may take, from the environment.

    Attributes
    ----------
    megabytes
        Largest body (``SERVE_MAX_MEGABYTES``, 32).
    seconds
        Longest time until the answer (``SERVE_TIMEOUT``, 60).
    parallel
        Requests that are computed at a time (``SERVE_PARALLEL``, the number of cores); others wait.
    """

    def __init__(self) -> None:
        self.megabytes = _number("SERVE_MAX_MEGABYTES", 32)
        self.seconds = _number("SERVE_TIMEOUT", 60)
        self.parallel = int(_number("SERVE_PARALLEL", len(os.sched_getaffinity(0))))


def _number(name: str, default: float) -> float:
    text = os.environ.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise DataError(f"{name}: got {text!r}, expected a number above 0, for example {default:g}")
    return value


class _RefusedError(Exception):
    """A request that gets another status than 200."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


def application(model: LoadedModel, limits: Limits) -> Starlette:
    """Return the application of a loaded model."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, PlainTextResponse
    from starlette.routing import Route

    free = asyncio.Semaphore(limits.parallel)

    async def ping(request: Request) -> Response:
        return PlainTextResponse("\n")

    async def version(request: Request) -> Response:
        known = model.signature
        return JSONResponse({"model": known.model, "title": known.title, "version": known.version})

    async def computed(body: dict[str, Any]) -> list[dict[str, Any]]:
        """Answer when a place is free. A thread can't be stopped: its place stays taken if nobody waits any more."""
        await free.acquire()
        work = asyncio.ensure_future(asyncio.to_thread(answer, model, body["inputs"], body.get("params")))
        work.add_done_callback(ended)
        return await asyncio.shield(work)

    def ended(work: asyncio.Future[Any]) -> None:
        free.release()
        # Asked for, so that asyncio doesn't complain of an error that nobody waits for.
        work.cancelled() or work.exception()

    async def invocations(request: Request) -> Response:
        started, count, outside = time.perf_counter(), 0, 0
        try:
            body = _parsed(await _body(request, limits.megabytes))
            async with asyncio.timeout(limits.seconds):
                found = await computed(body)
            count, outside = len(found), sum(bool(one[OUTSIDE]) for one in found)
            response = JSONResponse({"predictions": found})
        except TimeoutError:
            response = _refusal(503, f"no answer within {limits.seconds:g} s: send fewer examples in one request")
        except _RefusedError as error:
            response = _refusal(error.status, str(error))
        except ProjectError as error:
            response = _refusal(400, str(error))
        _log(request, response.status_code, started, {"examples": count, "outside": outside})
        return response

    def _refusal(status: int, line: str) -> JSONResponse:
        return JSONResponse({"error_code": "BAD_REQUEST" if status < 500 else "UNAVAILABLE", "message": line}, status)

    return Starlette(
        routes=[
            Route("/ping", ping),
            Route("/health", ping),
            Route("/version", version),
            Route("/invocations", invocations, methods=["POST"]),
        ]
    )


async def _body(request: Request, megabytes: float) -> bytes:
    """Read a body that isn't too large, whatever its header says."""
    parts, total = [], 0
    async for part in request.stream():
        total += len(part)
        if total > megabytes * MEGABYTE:
            raise _RefusedError(413, f"body: got more than {megabytes:g} MiB: send fewer examples in one request")
        parts.append(part)
    return b"".join(parts)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DataError(f"body: not JSON ({error})") from error
    if not isinstance(values, dict):
        raise DataError(f'body: got {type(values).__name__}, expected {{"inputs": [...]}}')
    unknown = sorted(set(values) - {"inputs", "params"})
    if unknown or "inputs" not in values:
        raise DataError(f"body: got {', '.join(sorted(values)) or 'no keys'}, expected inputs and, if wanted, params")
    return values


def _log(request: Request, status: int, started: float, counts: dict[str, int]) -> None:
    milliseconds = round(1e3 * (time.perf_counter() - started), 1)
    line = {"path": request.url.path, "status": status, "ms": milliseconds, **counts}
    print(json.dumps({"time": round(time.time(), 3), **line}), flush=True)


def serve(place: str | Path, *, host: str, port: int) -> None:
    """Check a bundle, and serve it until SIGTERM or SIGINT.

    Parameters
    ----------
    place
        Folder or DOI of the bundle.
    host, port
        Where to listen.

    Raises
    ------
    DataError
        If starlette or uvicorn isn't installed, or a limit in the environment isn't a number.
    BundleError, MissingStepError
        If the bundle isn't whole.
    """
    need("serve", ("starlette", "uvicorn"), "serve")
    import uvicorn

    limits = Limits()
    folder = find_bundle(place)
    check_files(folder)
    # Requests run beside each other: one thread for each makes the most of the cores.
    model = LoadedModel(folder, threads=1)
    uvicorn.run(
        application(model, limits),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=int(limits.seconds),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a bundle, as the image does: a mistake is one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="server", description="Serve a bundle over HTTP.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    chosen = parser.parse_args(arguments)
    try:
        serve(chosen.bundle, host=chosen.host, port=chosen.port)
    except ProjectError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
