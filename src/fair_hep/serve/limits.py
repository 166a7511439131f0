"""What clients may take of the server: read once from the environment, and refused at the start if it can't be."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass

from ..bundle.cores import cores
from ..bundle.errors import DataError
from .memory import allowed
from .refusal import Refusal

__all__ = ["MEGABYTE", "Limits"]

MEGABYTE = 2**20
#: Bytes that the process has before it answers anybody: Python, ONNX Runtime, both graphs and a pass through them.
_OWN = 256 * MEGABYTE
#: Bytes of memory for a number or a list of a body while it is parsed, as Python keeps them.
VALUE = 64
#: Files that the server needs besides its connections.
_FILES = 64
#: Bodies of this size need no share of the memory for bodies: a few large ones that stand still hold up nobody small.
SMALL = 64 * 1024


@dataclass(frozen=True)
class Limits:
    """What one request, one connection and all of them together may take.

    Attributes
    ----------
    megabytes
        Largest body (``SERVE_MAX_MEGABYTES``).
    examples, elements
        Most examples and elements of a request (``SERVE_MAX_EXAMPLES``, ``SERVE_MAX_ELEMENTS``).
    answer_megabytes
        Largest answer (``SERVE_MAX_ANSWER_MEGABYTES``).
    seconds
        Longest time from the whole body to the answer (``SERVE_TIMEOUT``).
    header_seconds, body_seconds, idle_seconds, send_seconds
        Longest time for a header and a body to arrive, between two requests, and for an answer to be taken
        (``SERVE_HEADER_SECONDS``, ``SERVE_BODY_SECONDS``, ``SERVE_IDLE_SECONDS``, ``SERVE_SEND_SECONDS``).
    grace_seconds
        Longest time from SIGTERM to the end (``SERVE_GRACE_SECONDS``).
    parallel
        Passes that are computed at a time (``SERVE_PARALLEL``): the places.
    queue
        Requests that may wait for their answer at a time (``SERVE_QUEUE``).
    together
        Requests whose examples may be computed in one pass (``SERVE_TOGETHER``; 1: each alone).
    connections
        Connections at a time (``SERVE_CONNECTIONS``).
    log_lines
        Lines of the log in a second (``SERVE_LOG_LINES``).
    buffer
        Bytes of all bodies that wait together; follows from the memory.
    """

    megabytes: float
    examples: int
    elements: int
    answer_megabytes: float
    seconds: float
    header_seconds: float
    body_seconds: float
    idle_seconds: float
    send_seconds: float
    grace_seconds: float
    parallel: int
    queue: int
    together: int
    connections: int
    log_lines: int
    buffer: int

    @classmethod
    def read(cls, given: Mapping[str, str] | None = None, memory: int | None = None) -> Limits:
        """Read the limits.

        Parameters
        ----------
        given
            The variables; None: the environment.
        memory
            Bytes that the process may have; None: `memory.allowed` says it.

        Raises
        ------
        DataError
            If a value isn't what it should be, or the memory doesn't allow it.
        """
        read = _Variables(os.environ if given is None else given)
        free = (allowed() if memory is None else memory) - _OWN
        if free < 64 * MEGABYTE:
            raise DataError(f"memory: got {(free + _OWN) / MEGABYTE:.0f} MiB, expected at least 320 for a server")
        parallel = read.whole("SERVE_PARALLEL", cores())
        # A half for what is parsed and computed, a quarter for bodies that wait, a quarter for answers.
        most = free // 4 / MEGABYTE / 2
        megabytes = read.number("SERVE_MAX_MEGABYTES", min(32.0, float(int(most))))
        if megabytes > most:
            why = f"a quarter of the memory, {2 * most:.0f} MiB, holds the bodies that wait"
            raise DataError(f"SERVE_MAX_MEGABYTES: got {megabytes:g}, expected at most {most:.0f}: {why}")
        answers = read.number("SERVE_MAX_ANSWER_MEGABYTES", min(32.0, float(max(1, int(free / 4 / MEGABYTE / 8)))))
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        room = 2**20 if files == resource.RLIM_INFINITY else files - _FILES
        connections = read.whole("SERVE_CONNECTIONS", max(1, min(512, room)))
        if connections > room:
            raise DataError(f"SERVE_CONNECTIONS: got {connections}, expected at most {room}: see `ulimit -n`")
        return cls(
            megabytes=megabytes,
            examples=read.whole("SERVE_MAX_EXAMPLES", 10_000),
            elements=read.whole("SERVE_MAX_ELEMENTS", max(1000, min(500_000, free // 2 // parallel // (8 * VALUE)))),
            answer_megabytes=answers,
            seconds=read.number("SERVE_TIMEOUT", 60),
            header_seconds=read.number("SERVE_HEADER_SECONDS", 10),
            body_seconds=read.number("SERVE_BODY_SECONDS", 30),
            idle_seconds=read.number("SERVE_IDLE_SECONDS", 30),
            send_seconds=read.number("SERVE_SEND_SECONDS", 60),
            grace_seconds=read.number("SERVE_GRACE_SECONDS", 8),
            parallel=parallel,
            queue=read.whole("SERVE_QUEUE", 256),
            together=read.whole("SERVE_TOGETHER", 128),
            connections=connections,
            log_lines=read.whole("SERVE_LOG_LINES", 200),
            buffer=min(free // 4, int(32 * megabytes * MEGABYTE)),
        )

    def check_answer(self, size: int, instead: str) -> None:
        """Make sure that an answer isn't larger than it may be.

        Parameters
        ----------
        size
            Bytes of the answer, as far as it goes.
        instead
            What a client may ask for that is smaller.

        Raises
        ------
        Refusal
            If it is.
        """
        if size > self.answer_megabytes * MEGABYTE:
            told = f"more than {self.answer_megabytes:g} MiB (SERVE_MAX_ANSWER_MEGABYTES)"
            line = f"answer: {told}: send fewer examples in one request, or ask for {instead}"
            raise Refusal(413, line, "large answer")

    def check_counts(self, examples: int, elements: int) -> None:
        """Make sure that a request hasn't more examples, or elements in all of them together, than it may.

        Raises
        ------
        Refusal
            If it has.
        """
        if examples > self.examples:
            raise self.too_much(f"inputs: got more than {self.examples} examples")
        if elements > self.elements:
            raise self.too_much(f"inputs: got more than {self.elements} elements in all examples together")

    def too_much(self, what: str) -> Refusal:
        """Return what is told of a request that asks for too much."""
        told = f"{self.examples} examples (SERVE_MAX_EXAMPLES) and {self.elements} elements (SERVE_MAX_ELEMENTS)"
        return Refusal(413, f"{what}: send fewer examples in one request, which may have {told}", "large")


class _Variables:
    """Numbers by the names of variables."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given = given

    def number(self, name: str, default: float) -> float:
        """Return a number above 0."""
        text = self.given.get(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            raise DataError(f"{name}: got {text!r}, expected a number above 0, for example {default:g}")
        return value

    def whole(self, name: str, default: int) -> int:
        """Return a whole number above 0."""
        text = self.given.get(name, str(default))
        if not (text.isascii() and text.isdecimal() and 0 < int(text) < 2**31):
            raise DataError(f"{name}: got {text!r}, expected a whole number above 0, for example {default}")
        return int(text)
