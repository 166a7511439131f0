"""Step through JSON piece by piece: whoever reads decides how much of it becomes Python's objects at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..bundle.errors import DataError

__all__ = ["Scanner"]

_SPACE = re.compile(r"[ \t\n\r]*")


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return a mapping of pairs, none of which repeats another."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise DataError(f"body: got {next(n for n in names if names.count(n) > 1)!r} twice in one object")
    return found


class Scanner:
    """A text, and how far it is read.

    Parameters
    ----------
    text
        The JSON; what isn't raises ``ValueError``, and a key that comes twice a `DataError`.
    """

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.decode = json.JSONDecoder(object_pairs_hook=_unique).raw_decode

    def _value(self) -> Any:
        """Read any value at once."""
        self._next()
        value, self.at = self.decode(self.text, self.at)
        return value

    def _whole(self) -> Any:
        value = self._value()
        self._end()
        return value

    def _keys(self) -> Iterator[str]:
        """Give the keys of an object; whoever asks reads what belongs to a key before the next one."""
        found = set()
        for _ in self._items("}"):
            if self._next() != '"':
                raise json.JSONDecodeError("Expecting property name enclosed in double quotes", self.text, self.at)
            key = self._value()
            if key in found:
                raise DataError(f"body: got {key!r} twice in one object")
            found.add(key)
            if self._next() != ":":
                raise json.JSONDecodeError("Expecting ':' delimiter", self.text, self.at)
            self.at += 1
            yield key

    def _items(self, closing: str) -> Iterator[None]:
        """Step into a list or an object, and stop before each of its items."""
        self.at += 1
        if self._next() == closing:
            self.at += 1
            return
        while True:
            yield
            sign = self._next()
            self.at += 1
            if sign == closing:
                return
            if sign != ",":
                raise json.JSONDecodeError("Expecting ',' delimiter", self.text, self.at - 1)

    def _next(self) -> str:
        """Go to the next character that isn't space, and return it; empty at the end."""
        match = _SPACE.match(self.text, self.at)
        assert match is not None  # it matches nothing too
        self.at = match.end()
        return self.text[self.at : self.at + 1]

    def _end(self) -> None:
        if self._next():
            raise json.JSONDecodeError("Extra data", self.text, self.at)
