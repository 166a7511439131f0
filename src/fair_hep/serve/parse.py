"""Read a request's JSON strictly and piece by piece: never more of it as Python's objects than one example.

``json`` alone takes 24 times a body's size for a moment and holds the lock of the interpreter all the time, so that
nobody else is answered; it takes duplicate keys, and NumPy takes ``"100"``, ``"1_0_0"`` and ``true`` for numbers. Here
its scanner reads one row at a time, each example becomes its array at once, and what isn't a number is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..bundle.answer import check_parameters
from ..bundle.errors import DataError
from ..bundle.inputs import one_example
from ..bundle.signature import UNEXPLAINED, Signature, TensorSpec
from .limits import SMALL, Limits
from .scan import Scanner

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Invocation", "most_values", "read_request"]

#: What stands in the text of a value that isn't only lists and numbers (``NaN`` is one, refused later by its place).
_NO_NUMBERS = ('"', "true", "false", "null", "{")


@dataclass(frozen=True)
class Invocation:
    """What is asked of ``/invocations``: arrays of every example by the names of the inputs, and the parameters."""

    examples: Mapping[str, Sequence[np.ndarray]]
    parameters: Mapping[str, bool | int]
    elements: int


def read_request(
    body: bytes | bytearray, signature: Signature, limits: Limits, check: Callable[[], None] = lambda: None
) -> Invocation:
    """Read ``{"inputs": [...], "params": {...}}``.

    Parameters
    ----------
    body
        The request's body.
    signature
        Of the model that is asked.
    limits
        Most examples and elements.
    check
        Called after every example; raises if nobody waits for the answer any more.

    Raises
    ------
    DataError
        If it isn't JSON, or not what the signature says; the line says where.
    Refusal
        If it is more than a request may ask.
    """
    values = sum(body.count(sign) for sign in (b",", b"[", b"{"))
    if values > (most := most_values(signature, limits)):
        raise limits.too_much(f"body: got {values} lists and values, expected at most {most}")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"body: not JSON in UTF-8 (byte {error.start})") from error
    try:
        return _Reader(text, signature, limits, check).read()
    except (ValueError, RecursionError) as error:  # json's own errors are values that are wrong
        raise DataError(f"body: not JSON ({error})") from error


def most_values(signature: Signature, limits: Limits) -> int:
    """Return how many lists and values a request has at most if it keeps to the limits: what parsing takes follows."""
    widths = [spec.sizes.get(spec.axes[-1], 1) if len(spec.axes) > 1 else 1 for spec in signature.inputs]
    return limits.elements * (max(widths) + 1) + limits.examples * (3 + 2 * len(widths)) + 1000


class _Reader(Scanner):
    """A text, and how far it is read."""

    def __init__(self, text: str, signature: Signature, limits: Limits, check: Callable[[], None]) -> None:
        super().__init__(text)
        self.signature, self.limits, self.check = signature, limits, check
        self.names = [spec.name for spec in signature.inputs]
        self.columns: dict[str, list[np.ndarray]] = {name: [] for name in self.names}
        self.elements = 0

    def read(self) -> Invocation:
        """Read the whole body."""
        if self._next() != "{":
            raise DataError(f'body: got {type(self._whole()).__name__}, expected {{"inputs": [...]}}')
        parameters: Any = {}
        found: list[str] = []
        for key in self._keys():
            found.append(key)
            if key == "inputs":
                self._inputs()
            elif key == "params":
                parameters = self._value()
            else:
                got = ", ".join(sorted(found))
                raise DataError(f"body: got {got}, expected inputs and, if wanted, params")
        self._end()
        if "inputs" not in found:
            raise DataError(f"body: got {', '.join(found) or 'no keys'}, expected inputs and, if wanted, params")
        if not self.columns[self.names[0]]:
            raise DataError("inputs: got no examples, expected at least one")
        wanted = check_parameters(parameters)
        if wanted["explain"] and self.signature.explained is None:
            why = "it was published without an explained graph" if self.signature.explainable else UNEXPLAINED
            raise DataError(f"params.explain: got true, and {self.signature.model} explains nothing: {why}")
        return Invocation(self.columns, wanted, self.elements)

    def _inputs(self) -> None:
        """Read all examples."""
        if self._next() != "[":
            got, counted = type(self._value()).__name__, self.signature.inputs[0].axes[0]
            raise DataError(f"inputs: got {got}, expected a list of {counted}")
        for number, _ in enumerate(self._items("]")):
            self._example(number)
            self.limits.check_counts(number + 1, self.elements)
            self.check()

    def _example(self, number: int) -> None:
        """Read one example: its values by the names of the inputs, or the bare ones where there is one input."""
        specs = {spec.name: spec for spec in self.signature.inputs}
        sign = self._next()
        if sign != "{" and len(specs) == 1:
            self._array(self.signature.inputs[0], number)
            return
        found: list[str] = []
        if sign == "{":
            for key in self._keys():
                found.append(key)
                if key not in specs:
                    break
                self._array(specs[key], number)
        if set(found) != set(specs):
            got = ", ".join(found) if sign == "{" else type(self._value()).__name__
            raise DataError(f"inputs[{number}]: got {got or 'no keys'}, expected {', '.join(specs)}")

    def _array(self, spec: TensorSpec, number: int) -> None:
        """Read the values of one example for one input."""
        self._next()
        start = self.at
        # The scanner lets nobody else run until it ends: a long text is read a row at a time.
        by_row = len(self.text) > SMALL and self.text.startswith("[", start)
        values = self._rows() if by_row else self._value()
        if any(self.text.find(sign, start, self.at) >= 0 for sign in _NO_NUMBERS):
            raise DataError(
                f"{spec.name}[{number}]: got something else than numbers "
                f"({self.text[start : start + 40]!r}...), expected numbers without quotes"
            )
        array = one_example(spec, values, number)
        self.columns[spec.name].append(array)
        self.elements += array.size // max(array.shape[-1], 1) if array.ndim else 1

    def _rows(self) -> list[Any]:
        """Read a list, one item at a time."""
        return [self._value() for _ in self._items("]")]
