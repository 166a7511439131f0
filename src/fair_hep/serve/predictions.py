"""One question in MLflow's scoring protocol, and its answer: encoded example by example, as passes give them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..bundle.answer import OUTSIDE, described
from ..bundle.runtime import Answer
from ..bundle.signature import Signature
from .limits import Limits
from .parse import read_request

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Predictions"]


class Predictions:
    """A request for ``/invocations``: what is asked, and the answer so far (the form that `queue.Question` wants).

    Parameters
    ----------
    body
        The request's body.
    signature
        Of the model that is asked.
    limits
        Most examples, elements and bytes of the answer.
    check
        Called while it is read; raises if nobody waits any more.

    Raises
    ------
    DataError, Refusal
        As `parse.read_request` says.
    """

    def __init__(
        self, body: bytes | bytearray, signature: Signature, limits: Limits, check: Callable[[], None]
    ) -> None:
        asked = read_request(body, signature, limits, check)
        self.examples: Mapping[str, Sequence[np.ndarray]] = asked.examples
        self.explain = bool(asked.parameters["explain"])
        self.outside = 0
        self.targets: None = None
        self.headers: Mapping[str, str] = {}
        self._signature, self._limits, self._wanted = signature, limits, asked.parameters
        self._found: dict[int, bytes] = {}
        self._size = 0

    def take(self, number: int, answer: Answer) -> None:
        """Take the answer of an example.

        Raises
        ------
        Refusal
            If all answers together are too large.
        DataError
            If a value isn't finite.
        """
        told = described(self._signature, number, answer, self._wanted)
        self.outside += bool(told[OUTSIDE])
        self._found[number] = json.dumps(told, separators=(",", ":")).encode("ascii")
        self._size += len(self._found[number]) + 1
        self._limits.check_answer(self._size, "the top elements and without edges")

    def answer(self) -> bytes:
        """Return the whole answer, when every example has its own."""
        return b'{"predictions":[' + b",".join(self._found[number] for number in sorted(self._found)) + b"]}"
