"""Who is computed when: a bounded number of requests wait, each place takes the next pass of the next request in turn.

A thread for each place. One turn is a small thing: to read one request, or to compute one pass of it, so a request of
one example waits for a pass of a large one, not for all of it. Between two turns it is asked whether somebody still
waits: what is late, or whose client has gone, isn't computed any further. A pass that has begun can't be stopped: its
place stays taken until it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ..bundle.inputs import ELEMENTS
from ..bundle.runtime import BATCH, EXPLAINED_BATCH, Answer, Judge, LoadedModel
from .limits import Limits
from .refusal import Refusal

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Question", "Queue", "Task"]


class Question(Protocol):
    """What a request asks of a model, whatever protocol it speaks, and what becomes of the answers.

    Attributes
    ----------
    examples
        Checked arrays (`bundle.inputs.one_example`) of every example, by the names of the inputs.
    explain
        Whether relevances are wanted.
    targets
        What is explained of every example (`LoadedModel.explain`); None: what the model explains by default.
    headers
        Of the answer, beside the usual ones; known when it is whole.
    """

    @property
    def examples(self) -> Mapping[str, Sequence[np.ndarray]]: ...  # noqa: D102

    @property
    def explain(self) -> bool: ...  # noqa: D102

    @property
    def targets(self) -> Sequence[np.ndarray] | None: ...  # noqa: D102

    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102

    def take(self, number: int, answer: Answer) -> None:
        """Take the answer of an example, in any order; raise a `Refusal` if it is too much."""

    def answer(self) -> bytes:
        """Return the whole answer."""


class Task:
    """One request on its way through the queue.

    Parameters
    ----------
    model
        Who is asked.
    read
        Reads the question, in a place; it is given a function to call now and then, which raises if nobody waits.
    seconds
        Time until the answer.
    """

    def __init__(self, model: LoadedModel, read: Callable[[Callable[[], None]], Question], seconds: float) -> None:
        self.model, self.read, self.seconds = model, read, seconds
        self.end = time.monotonic() + seconds
        self.question: Question | None = None
        #: Length of every example, those that no place has taken yet (by length), how many have no answer yet.
        self.lengths: list[int] = []
        self.left: deque[int] = deque()
        self.missing = 0
        self.gone = False
        self.lock = threading.Lock()
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[bytes] = self.loop.create_future()

    def check(self) -> None:
        """Raise if nobody waits for the answer any more."""
        if self.gone:
            raise Refusal(499, "the client has gone", "gone")
        if time.monotonic() > self.end:
            raise late(self.seconds)

    def begin(self) -> None:
        """Read the question."""
        self.question = self.read(self.check)
        first = next(iter(self.question.examples.values()))
        self.lengths = [max(1, len(values)) if values.ndim else 1 for values in first]
        self.missing = len(first)
        # Those of like length in one pass: less padding.
        self.left.extend(sorted(range(self.missing), key=self.lengths.__getitem__))

    def pass_(self) -> list[int]:
        """Take the examples of one pass: the longest comes last, and all are padded to it."""
        assert self.question is not None
        most = EXPLAINED_BATCH if self.question.explain else BATCH
        numbers: list[int] = []
        while self.left and len(numbers) < most:
            if numbers and (len(numbers) + 1) * self.lengths[self.left[0]] > ELEMENTS:
                break
            numbers.append(self.left.popleft())
        return numbers

    def finish(self, result: bytes | BaseException) -> None:
        """Give the answer, or the reason why there is none, to whoever waits."""
        self.gone = True
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
            self.loop.call_soon_threadsafe(self._set, result)

    def _set(self, result: bytes | BaseException) -> None:
        if self.done.done():
            return
        if isinstance(result, BaseException):
            self.done.set_exception(result)
        else:
            self.done.set_result(result)


def late(seconds: float) -> Refusal:
    """Return what is told of an answer that takes too long."""
    line = f"no answer within {seconds:g} s: send fewer examples in one request (SERVE_TIMEOUT)"
    return Refusal(503, line, "late", wait=1)


class Queue:
    """All requests that wait for an answer, of all models, and the places where answers are computed.

    Parameters
    ----------
    limits
        How many places, and how many may wait.
    passed
        Told of every pass: of which model, and how many examples.
    """

    def __init__(self, limits: Limits, passed: Callable[[str, int], None] = lambda model, examples: None) -> None:
        self.limits, self.passed = limits, passed
        #: Requests that are here, and places that compute.
        self.waiting = self.busy = 0
        self._turns: deque[Task] = deque()
        self._ready = threading.Condition()
        self._ended = False
        for number in range(limits.parallel):
            # A daemon: the process ends even if a pass doesn't.
            threading.Thread(target=self._work, name=f"place {number}", daemon=True).start()

    def check(self) -> None:
        """Raise a `Refusal` if no more requests may wait."""
        if self.waiting >= self.limits.queue:
            raise Refusal(503, "the server has more requests than it can take: try again later", "queue", wait=1)

    async def answer(self, task: Task) -> bytes:
        """Wait for the answer of a task.

        Raises
        ------
        Refusal
            If too many wait, or it takes too long.
        ProjectError
            If the request is wrong.
        """
        self.check()
        self.waiting += 1
        try:
            self._put(task)
            async with asyncio.timeout(task.seconds):
                return await task.done
        except TimeoutError as error:
            raise late(task.seconds) from error
        finally:
            task.gone = True
            self.waiting -= 1

    def end(self) -> None:
        """Let the places end after what they compute now."""
        with self._ready:
            self._ended = True
            self._ready.notify_all()

    def _put(self, task: Task) -> None:
        with self._ready:
            self._turns.append(task)
            self._ready.notify()

    def _work(self) -> None:
        """Be a place: take one turn after another."""
        while True:
            with self._ready:
                while not self._turns and not self._ended:
                    self._ready.wait()
                if self._ended:
                    return
                task, numbers = self._next()
                self.busy += 1
            try:
                self._turn(task, numbers)
            finally:
                with self._ready:
                    self.busy -= 1

    def _next(self) -> tuple[Task, list[int]]:
        """Take the next turn: examples of a request, none of one that isn't read yet."""
        task = self._turns.popleft()
        if task.question is None:
            return task, []
        numbers = task.pass_()
        if task.left:
            self._turns.append(task)
            self._ready.notify()
        return task, numbers

    def _turn(self, task: Task, numbers: list[int]) -> None:
        """Take one turn; whatever goes wrong with a request is that request's answer."""
        try:
            task.check()
            if task.question is None:
                task.begin()
                self._put(task)
                return
            answers = compute(task.model, task.question, numbers)
            self.passed(task.model.signature.model, len(numbers))
            with task.lock:
                for number, answer in zip(numbers, answers, strict=True):
                    task.question.take(number, answer)
                task.missing -= len(numbers)
                whole = not task.missing
            if whole:
                task.finish(task.question.answer())
        except MemoryError:
            task.finish(
                Refusal(503, "the server has no memory for this request now: try again later", "memory", wait=1)
            )
        except Exception as error:  # told to whoever waits, who tells it to the client and to the log
            task.finish(error)


def compute(model: LoadedModel, question: Question, numbers: Sequence[int]) -> list[Answer]:
    """Return the answers of some examples of a question."""
    columns = {name: [values[number] for number in numbers] for name, values in question.examples.items()}
    # What is outside stands in each answer.
    judge = Judge(model.signature)
    if not question.explain:
        return model.predict_each(columns, judge=judge)
    targets = None if question.targets is None else [question.targets[number] for number in numbers]
    return model.explain(columns, targets, judge=judge)
