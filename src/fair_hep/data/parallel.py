"""Work for several processes, with results in order and few of them waiting."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from ..bundle.errors import DataError

__all__ = ["in_processes", "keep_freed_memory", "print_to_standard_error"]

#: Parameters of ``mallopt``, from malloc.h, and the value of the first that switches it off.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_NEVER = -1

Task = TypeVar("Task")
Result = TypeVar("Result")


def print_to_standard_error() -> None:
    """Send what C++ libraries print in this process to standard error: standard output belongs to the result."""
    os.dup2(2, 1)


def keep_freed_memory() -> None:
    """Keep freed memory for the next tensors of the same size: fresh pages cost up to half of the time of a training.

    The kernel clears each page that it gives, and by default the C library returns large blocks as soon as they are
    free. It asks that library (``mallopt``, glibc) to keep all of them; elsewhere than on Linux nothing happens. The
    process then holds as much memory as it ever needed at a time.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, _NEVER)


@contextlib.contextmanager
def in_processes(
    work: Callable[[Task], Result], tasks: Iterable[Task], processes: int, start: Callable[[], None] | None = None
) -> Iterator[Iterator[Result]]:
    """Give the results of ``work(task)``, in the order of the tasks, from other processes.

    At most twice as many tasks as processes are under way or waiting, so that memory stays bounded. Leaving the block
    early drops what hasn't begun.

    Parameters
    ----------
    work
        Function of a module.
    tasks
        What to work on; may be endless.
    processes
        Number of processes, at least 1.
    start
        Called once in every process.

    Raises
    ------
    DataError
        If a process dies (for want of memory, say). Errors that ``work`` raises are raised here.
    """
    # Not forked: a copy of a process with threads, as torch starts them, may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=start) as pool:
        results = _ordered(pool, work, iter(tasks), 2 * processes)
        try:
            yield results
        except BrokenProcessPool as error:
            raise DataError("a process ended before its work was done: too little memory, or it was killed") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _ordered(
    pool: ProcessPoolExecutor, work: Callable[[Task], Result], tasks: Iterator[Task], ahead: int
) -> Generator[Result, None, None]:
    waiting: deque[Future[Result]] = deque(pool.submit(work, task) for task in islice(tasks, ahead))
    while waiting:
        result = waiting.popleft().result()
        waiting.extend(pool.submit(work, task) for task in islice(tasks, 1))
        yield result
