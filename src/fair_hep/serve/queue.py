"""Who is computed when: a bounded number of requests wait, each place takes the next pass of the next request in turn.

A thread for each place. One turn is a small thing: to read one request, or to compute one pass of it, so a request of
one example waits for a pass of a large one, not for all of it. What has gathered while a pass was computed is computed
together, if the model is faster then (`pace`): examples of like length of several requests are one pass. Between two
turns it is asked whether somebody still waits: what is late, or whose client has gone, isn't computed any further. A
pass that has begun can't be stopped: its place stays taken until it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..bundle.runtime import BATCH, EXPLAINED_BATCH, Answer, Judge, LoadedModel
from .limits import Limits
from .pace import Pace
from .refusal import Refusal

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Question", "Queue", "Task"]

#: A request, and those of its examples that a pass computes.
Part: TypeAlias = "tuple[Task, list[int]]"


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

    def take(self, most: int, elements: int, longest: int = 0, count: int = 0) -> list[int]:
        """Take examples for a pass, those of like length together.

        Parameters
        ----------
        most, elements
            Most examples in the pass, and elements with the padding; one example is always fine.
        longest, count
            Longest example that the pass has already, and how many it has.
        """
        numbers: list[int] = []
        while self.left and count + len(numbers) < most:
            longest = max(longest, self.lengths[self.left[0]])
            if (total := count + len(numbers) + 1) > 1 and total * longest > elements:
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
        self.pace = Pace()
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
                parts = self._next()
                self.busy += 1
            try:
                self._turn(parts)
            finally:
                with self._ready:
                    self.busy -= 1

    def _next(self) -> list[Part]:
        """Take the next turn: to read one request, or a pass of examples of the next one and of others that fit."""
        task = self._turns.popleft()
        if task.question is None:
            return [(task, [])]
        most = EXPLAINED_BATCH if task.question.explain else BATCH
        elements = self.pace.elements(task.model, explain=task.question.explain)
        numbers = task.take(most, elements)
        parts = [(task, numbers)]
        if not task.left and not task.gone:
            self._join(parts, most, elements)
        for one, _ in parts:
            if one.left:
                self._turns.append(one)
                self._ready.notify()
        return parts

    def _join(self, parts: list[Part], most: int, elements: int) -> None:
        """Add examples of other requests to a pass that has room, those of like length first; they leave the queue."""
        ((first, numbers),) = parts
        assert first.question is not None
        longest, count = max((first.lengths[number] for number in numbers), default=0), len(numbers)
        others = [
            task for task in self._turns
            if task.question is not None and task.model is first.model and task.left and not task.gone
            and task.question.explain == first.question.explain
            and (task.question.targets is None) == (first.question.targets is None)
        ]  # fmt: skip
        others.sort(key=lambda task: abs(task.lengths[task.left[0]] - longest))
        for task in others[: self.limits.together - 1]:
            if taken := task.take(most, elements, longest, count):
                self._turns.remove(task)
                parts.append((task, taken))
                count += len(taken)
                longest = max(longest, *(task.lengths[number] for number in taken))

    def _turn(self, parts: list[Part]) -> None:
        """Take one turn; whatever goes wrong with a request is that request's answer."""
        task, _ = parts[0]
        if task.question is None:
            with _answering(task):
                task.check()
                task.begin()
                with self._ready:
                    # Whoever read it takes it next, unless others are before it: nobody needs to be woken.
                    self._turns.append(task)
            return
        parts = [part for part in parts if self._waits(part[0])]
        if len(parts) > 1 and (answers := self._computed_together(parts)) is not None:
            self._deliver(parts, answers)
            return
        for part in parts:
            with _answering(part[0]):
                self._deliver([part], self._compute([part]))

    def _waits(self, task: Task) -> bool:
        with _answering(task):
            task.check()
        return not task.gone

    def _computed_together(self, parts: list[Part]) -> list[Answer] | None:
        """Return the answers of a pass of several requests; None if it fails.

        What one request's examples do to the graph mustn't be another one's answer: each is then tried alone, and
        whose fault it was is told.
        """
        try:
            return self._compute(parts)
        except Exception:  # the same error comes again, for the request that it belongs to
            return None

    def _compute(self, parts: list[Part]) -> list[Answer]:
        """Return the answers of the examples of a pass, in their order."""
        model = parts[0][0].model
        asked = [(task.question, number) for task, numbers in parts for number in numbers if task.question]
        columns = {
            spec.name: [one.examples[spec.name][number] for one, number in asked] for spec in model.signature.inputs
        }
        # What is outside stands in each answer.
        judge = Judge(model.signature)
        if asked[0][0].explain:
            targets = [one.targets[number] for one, number in asked if one.targets is not None]
            found = model.explain(columns, targets or None, judge=judge)
        else:
            found = model.predict_each(columns, judge=judge)
        self.passed(model.signature.model, len(found))
        return found

    @staticmethod
    def _deliver(parts: list[Part], answers: list[Answer]) -> None:
        """Give every request the answers of its examples, and its own when it is whole."""
        start = 0
        for task, numbers in parts:
            own, start = answers[start : start + len(numbers)], start + len(numbers)
            with _answering(task):
                assert task.question is not None
                with task.lock:
                    for number, answer in zip(numbers, own, strict=True):
                        task.question.take(number, answer)
                    task.missing -= len(numbers)
                    whole = not task.missing
                if whole:
                    task.finish(task.question.answer())


@contextlib.contextmanager
def _answering(task: Task) -> Iterator[None]:
    """Make what goes wrong a request's answer: whoever waits tells it to the client and to the log."""
    try:
        yield
    except MemoryError:
        task.finish(Refusal(503, "the server has no memory for this request now: try again later", "memory", wait=1))
    except Exception as error:
        task.finish(error)
