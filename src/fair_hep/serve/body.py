"""Read a body that isn't too large and doesn't take too long, within the memory that all bodies share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from .limits import MEGABYTE, SMALL, Limits
from .refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["Bodies"]


class Bodies:
    """The bodies that are held at a time.

    Parameters
    ----------
    limits
        Of one body, and of all of them.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        #: Bytes of those that aren't small.
        self.held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytearray]:
        """Read a body, whatever its header says of its size; its bytes count until the block ends.

        Raises
        ------
        Refusal
            If it is too large, too late, or there is no memory for it now.
        starlette.requests.ClientDisconnect
            If the client has gone.
        """
        self._check_header(request)
        body, counted = bytearray(), 0
        try:
            seconds = self.limits.body_seconds
            try:
                async with asyncio.timeout(seconds):
                    async for part in request.stream():
                        body += part
                        if len(body) > SMALL:
                            self.held += len(body) - counted
                            counted = len(body)
                        self._check(len(body))
            except TimeoutError as error:
                line = f"body: no whole body within {seconds:g} s: send fewer examples in one request"
                raise Refusal(408, f"{line} (SERVE_BODY_SECONDS)", "late body") from error
            yield body
        finally:
            self.held -= counted

    def _check(self, size: int) -> None:
        """Refuse a body of this size so far, or one more than the memory holds."""
        if size > self.limits.megabytes * MEGABYTE:
            raise self._too_large()
        if size > SMALL and self.held > self.limits.buffer:
            line = "the server holds as many large requests as its memory allows: try again later"
            raise Refusal(503, line, "memory", wait=1)

    def _check_header(self, request: Request) -> None:
        """Refuse before it is sent what says itself that it is too large."""
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self.limits.megabytes * MEGABYTE:
            raise self._too_large()

    def _too_large(self) -> Refusal:
        line = f"body: got more than {self.limits.megabytes:g} MiB: send fewer examples in one request"
        return Refusal(413, f"{line} (SERVE_MAX_MEGABYTES)", "large")
