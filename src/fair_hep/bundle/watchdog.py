"""A graph may hold a loop that never ends: whoever computes is stopped after a while, by one thread for all of them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["Computation", "watched"]


@dataclass(eq=False)
class Computation:
    """One computation.

    Parameters
    ----------
    options
        ONNX Runtime looks into them before every node, inside loops too.
    until
        When it is stopped, on the monotonic clock.
    stopped
        Whether it was.
    """

    options: onnxruntime.RunOptions
    until: float
    stopped: bool = False


class _Watchdog:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: set[Computation] = set()
        self._thread: threading.Thread | None = None
        #: When the thread looks again by itself.
        self._next = 0.0

    def add(self, one: Computation) -> None:
        with self._changed:
            self._watched.add(one)
            # None of the threads of a process is in its forks.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name="fair-hep watchdog", daemon=True)
                self._next = one.until
                self._thread.start()
            elif one.until < self._next:
                self._changed.notify()

    def remove(self, one: Computation) -> None:
        with self._changed:
            self._watched.discard(one)

    def _look(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for one in self._watched:
                    if one.until <= now and not one.stopped:
                        one.options.terminate = one.stopped = True
                waiting = [one.until for one in self._watched if not one.stopped]
                # Nobody is woken for a computation that ends in time: the thread finds out when it looks.
                self._next = min(waiting, default=now + threading.TIMEOUT_MAX / 2)
                self._changed.wait(self._next - now)


_watchdog = _Watchdog()


@contextlib.contextmanager
def watched(options: onnxruntime.RunOptions, seconds: float) -> Iterator[Computation]:
    """Stop what is computed with these options if it takes longer; ``stopped`` says so."""
    one = Computation(options, time.monotonic() + seconds)
    _watchdog.add(one)
    try:
        yield one
    finally:
        _watchdog.remove(one)
