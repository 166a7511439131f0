"""Alive and ready are two things: alive is a process that answers, ready is one that gives the right answers now."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ..bundle.errors import ProjectError
from ..bundle.runtime import LoadedModel
from ..bundle.stored import OWN, Stored, compare, complaint
from .log import EVENTS
from .queue import Queue
from .refusal import Refusal

__all__ = ["Health"]


class Health:
    """Whether the models give their stored answers here, and the next request would be taken.

    Parameters
    ----------
    models
        All that are served.
    queue
        Where their requests wait.
    """

    def __init__(self, models: Sequence[LoadedModel], queue: Queue) -> None:
        self.models, self.queue = models, queue
        #: Why it isn't ready; empty if nothing speaks against it.
        self.problem = "the stored examples aren't reproduced yet"
        self._begun = False

    def begin(self) -> None:
        """Reproduce the stored examples, beside everything else; this opens the graph that explains, too."""
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._reproduce, name="stored examples", daemon=True).start()

    def check(self) -> None:
        """Make sure that a request is answered.

        Raises
        ------
        Refusal
            With status 503, if the stored examples aren't reproduced, or the queue is full.
        """
        if self.problem:
            raise Refusal(503, self.problem, "not ready", wait=1)
        self.queue.check()

    def _reproduce(self) -> None:
        """Ask for the stored answers and relevances, as `verify` does."""
        for model in self.models:
            try:
                stored = Stored.read(model.folder)
                line = complaint(compare(OWN, model.answers(stored), stored))
                pace = self.queue.pace.measure(model, stored)
                EVENTS.info("pace", extra={"fields": {"model": model.signature.model, "elements": pace}})
            except ProjectError as error:
                line = str(error)
            except Exception as error:  # said where an operator looks, and not in a thread that nobody sees
                EVENTS.error("failed", extra={"fields": {"model": model.signature.model}}, exc_info=error)
                line = "asking for the stored examples failed; the log says how"
            if line:
                self.problem = f"{model.signature.model}: {line}"
                EVENTS.error("not ready", extra={"fields": {"problem": self.problem}})
                return
        self.problem = ""
        EVENTS.info("ready", extra={"fields": {"models": [model.signature.model for model in self.models]}})
