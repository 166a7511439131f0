"""The addresses of one bundle: what a model is, and its answers in MLflow's scoring protocol.

This is where another protocol is added, or another bundle: an application has one `Service` for each bundle, and all of
them put their requests into one `Queue`, through `Service.answer` and a `Question` of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from ..bundle.runtime import LoadedModel
from .body import Bodies
from .limits import Limits
from .predictions import Predictions
from .queue import Question, Queue, Task
from .refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

__all__ = ["Service"]

#: Reads a question: of a body, with a function that raises if nobody waits any more.
Read = Callable[[bytearray, Callable[[], None]], Question]


class Service:
    """One bundle, served.

    Parameters
    ----------
    model
        The loaded model.
    queue, bodies
        Those of the server: all bundles share the places and the memory.
    limits
        What a request may take.
    """

    def __init__(self, model: LoadedModel, queue: Queue, bodies: Bodies, limits: Limits) -> None:
        self.model, self.queue, self.bodies, self.limits = model, queue, bodies, limits

    def routes(self, prefix: str = "") -> list[Route]:
        """Return the addresses of this bundle, below a prefix."""
        from starlette.routing import Route

        return [
            Route(f"{prefix}/version", self.version),
            Route(f"{prefix}/invocations", self.invocations, methods=["POST"]),
        ]

    async def version(self, request: Request) -> Response:
        """Say what is served."""
        from starlette.responses import JSONResponse

        known = self.model.signature
        return JSONResponse({"model": known.model, "title": known.title, "version": known.version})

    async def invocations(self, request: Request) -> Response:
        """Answer in MLflow's scoring protocol."""

        def read(body: bytearray, check: Callable[[], None]) -> Question:
            return Predictions(body, self.model.signature, self.limits, check)

        return await self.answer(request, read)

    async def answer(self, request: Request, read: Read, media_type: str = "application/json") -> Response:
        """Answer a request to the model, in whatever protocol: what every one of them keeps to stands here.

        Parameters
        ----------
        request
            The request; its ``state`` gets what the log tells: ``examples``, ``outside``, ``explain``.
        read
            Reads the question of a body; it runs in a place, beside the loop.
        media_type
            Of the answer.

        Raises
        ------
        Refusal, ProjectError
            If there is no answer; the application makes a response of it.
        """
        from starlette.responses import Response

        # Before the body is read: what can't be computed needn't be sent.
        self.queue.check()
        async with self.bodies.read(request) as body:
            task = Task(self.model, partial(read, body), self.limits.seconds)
            try:
                content = await _unless_gone(request, self.queue.answer(task))
            finally:
                question = task.question
                request.state.model = self.model.signature.model
                if question is not None:
                    request.state.examples = len(task.lengths)
                    request.state.outside = getattr(question, "outside", 0)
                    request.state.explain = question.explain
            return Response(content, headers=dict(question.headers) if question else None, media_type=media_type)


async def _unless_gone(request: Request, work: Coroutine[Any, Any, bytes]) -> bytes:
    """Return the result of work, which ends if the client goes away."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended = working.done()
        for one in (working, leaving):
            if one.done():
                continue
            one.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await one
    if not ended:
        raise Refusal(499, "the client has gone", "gone")
    return working.result()


async def _gone(request: Request) -> None:
    """Wait until the client goes away: its body is read, so nothing else can come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
