"""Tensors of the Open Inference Protocol: how they are called, told, read from JSON or from bytes, and written.

Open Inference Protocol, REST (github.com/kserve/open-inference-protocol), with Triton's extension for binary data:
bytes of tensors behind the JSON, little-endian, row-major.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bundle.errors import DataError
from ..bundle.signature import TensorSpec
from .scan import Scanner

__all__ = ["BYTES", "NAMES", "Given", "datatype", "described", "read_tensor", "rows", "text_tensor"]

#: Text, of any length.
BYTES = "BYTES"
#: The protocol's names of types, by NumPy's.
NAMES: Mapping[str, str] = {
    "bool": "BOOL", "float16": "FP16", "float32": "FP32", "float64": "FP64",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip
_TYPES = {name: np.dtype(kind).newbyteorder("<") for kind, name in NAMES.items()}
_BRACKETS = re.compile(r'[\[\]"{]')
_DIGITS = re.compile(r"[^\[\], \t\n\r]+")
#: Characters of a flat list that are read in one go: the scanner lets nobody else run meanwhile.
_PIECE = 64 * 1024


def datatype(dtype: str) -> str:
    """Return the protocol's name of a type of NumPy."""
    return NAMES[np.dtype(dtype).name]


def described(spec: TensorSpec) -> dict[str, Any]:
    """Return what the metadata says of a tensor; the protocol leaves its ``parameters`` to the server."""
    own: dict[str, Any] = {"meaning": spec.meaning, "axes": ", ".join(spec.axes), "unit": spec.unit}
    if spec.columns:
        own["columns"] = ", ".join(spec.columns)
    shape = [-1 if axis in spec.dynamic else spec.sizes[axis] for axis in spec.axes]
    return {"name": spec.name, "datatype": datatype(spec.dtype), "shape": shape, "parameters": own}


@dataclass
class Given:
    """One input of a request: what its JSON says of it, and where its values are.

    Attributes
    ----------
    name, datatype, shape
        As the request gives them.
    at, end
        Where its ``data`` begin and end in the JSON; both 0 if they come as bytes.
    size
        Bytes of its own behind the JSON; None if there are none.
    """

    name: str = ""
    datatype: str = ""
    shape: tuple[int, ...] = ()
    at: int = 0
    end: int = 0
    size: int | None = None

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


class TensorReader(Scanner):
    """Reads one object of ``inputs``; its values stay where they are until it is known how many they may be."""

    def tensor(self, number: int) -> Given:
        """Read what is said of an input, whatever the order of its keys."""
        found, where = Given(), f"inputs[{number}]"
        if self._next() != "{":
            raise DataError(f"{where}: got {type(self._value()).__name__}, expected name, shape, datatype and data")
        keys: list[str] = []
        for key in self._keys():
            keys.append(key)
            if key == "data":
                found.at, found.end = self._skip(where)
                continue
            value = self._value()
            if key == "name" and isinstance(value, str):
                found.name = value
            elif key == "datatype" and value in _TYPES:
                found.datatype = value
            elif key == "shape" and isinstance(value, list) and all(type(one) is int and one >= 0 for one in value):
                found.shape = tuple(value)
            elif key == "parameters":
                found.size = _size(value, where)
            else:
                known = f"name, shape, datatype ({', '.join(_TYPES)}), parameters and data"
                raise DataError(f"{where}: got {key} {str(value)[:60]!r}, expected {known}")
        absent = [key for key in ("name", "shape", "datatype") if key not in keys]
        if absent or ("data" in keys) == (found.size is not None):
            raise DataError(
                f"{where}: got {', '.join(keys) or 'no keys'}, expected name, shape, datatype, and either data or "
                "parameters with binary_data_size"
            )
        return found

    def _skip(self, where: str) -> tuple[int, int]:
        """Step over nested lists of numbers; return where they begin and end."""
        if self._next() != "[":
            raise DataError(f"{where}.data: got {str(self._value())[:60]!r}, expected a list of numbers")
        start, depth = self.at, 0
        for match in _BRACKETS.finditer(self.text, start):
            sign = match[0]
            if sign in '"{':
                raise DataError(f"{where}.data: got something else than numbers, expected numbers without quotes")
            depth += 1 if sign == "[" else -1
            if not depth:
                self.at = match.end()
                return start, self.at
        raise json.JSONDecodeError("Expecting ']'", self.text, start)


def _size(given: Any, where: str) -> int | None:
    """Return the bytes that a request says an input has behind the JSON."""
    if not isinstance(given, dict) or not set(given) <= {"binary_data_size"}:
        got = ", ".join(map(str, given)) if isinstance(given, dict) else type(given).__name__
        raise DataError(f"{where}.parameters: got {got[:100]}, expected nothing but binary_data_size")
    size = given.get("binary_data_size")
    if size is not None and (type(size) is not int or size < 0):
        raise DataError(f"{where}.parameters.binary_data_size: got {str(size)[:40]!r}, expected a number of bytes")
    return size


def read_tensor(
    given: Given, spec: TensorSpec, text: str, raw: memoryview, check: Callable[[], None]
) -> Iterator[np.ndarray]:
    """Give the values of an input, one example at a time, each with the shape that the request says.

    Parameters
    ----------
    given
        What the request says of it; its shape is that of the specification.
    spec
        What it must be.
    text
        The request's JSON.
    raw
        The bytes of this input, if it comes as bytes.
    check
        Called after every example; raises if nobody waits for the answer any more.

    Raises
    ------
    DataError
        If the values aren't those of such a tensor.
    """
    if given.datatype != (wanted := datatype(spec.dtype)):
        raise DataError(f"{given.name}: got {given.datatype}, expected {wanted}")
    if given.size is not None:
        kind = _TYPES[wanted]
        if given.size != given.count * kind.itemsize or len(raw) != given.size:
            raise DataError(
                f"{given.name}: got {len(raw)} of {given.size} bytes, expected {given.count * kind.itemsize} for "
                f"{list(given.shape)} of {wanted}"
            )
        values = np.frombuffer(raw, kind)
        if kind == np.bool_ and (values.view(np.uint8) > 1).any():
            raise DataError(f"{given.name}: got bytes above 1, expected 0 or 1 for {wanted}")
        yield from values.reshape(given.shape).astype(kind.newbyteorder("="), copy=False)
        return
    _check_values(given, text, wanted)
    if not given.count:
        yield from np.zeros(given.shape, spec.dtype)
        return
    try:
        for one in _examples(given, text):
            check()
            yield _typed(one, given, np.dtype(spec.dtype))
    except (ValueError, RecursionError) as error:  # json's and NumPy's own
        raise DataError(f"{given.name}: its data aren't {list(given.shape)} of {wanted}: {error}") from error


def _check_values(given: Given, text: str, wanted: str) -> None:
    """Refuse what can't be so many numbers, before any of it is read."""
    # Nested lists that fit have as many commas as a flat one.
    found = text.count(",", given.at, given.end) + 1 if given.count else len(_DIGITS.findall(text, given.at, given.end))
    if found != given.count:
        raise DataError(f"{given.name}: got {found} values, expected {given.count} for {list(given.shape)}")
    words = ("null", *(() if wanted == "BOOL" else ("true", "false")))
    if any(text.find(word, given.at, given.end) >= 0 for word in words):
        raise DataError(f"{given.name}: got something else than numbers, expected {wanted}")


def _examples(given: Given, text: str) -> Iterator[Any]:
    """Give the examples of a flat list, or of nested ones."""
    scan = Scanner(text)
    scan.at = given.at + 1
    nested = len(given.shape) > 1 and scan._next() == "["
    scan.at = given.at
    if not nested:
        inner = math.prod(given.shape[1:])
        values = np.concatenate([np.asarray(piece) for piece in _pieces(text, given.at + 1, given.end - 1)])
        yield from values.reshape(given.shape[0], inner) if len(given.shape) > 1 else values
        return
    found = 0
    for _ in scan._items("]"):
        yield [scan._value() for _ in scan._items("]")] if scan._next() == "[" else scan._value()
        found += 1
    if found != given.shape[0]:
        raise DataError(f"{given.name}: got {found} lists, expected {given.shape[0]} for {list(given.shape)}")


def _pieces(text: str, start: int, end: int) -> Iterator[list[Any]]:
    """Read a flat list, some of it at a time."""
    while start <= end:
        cut = text.find(",", min(start + _PIECE, end), end)
        stop = cut if cut >= 0 else end
        yield json.loads(f"[{text[start:stop]}]")
        start = stop + 1


def _typed(values: Any, given: Given, dtype: np.dtype[Any]) -> np.ndarray:
    """Return the values of one example with its type; nothing is rounded to a whole number on the way."""
    inner = given.shape[1:]
    wrong = f"{given.name}: got other values than {list(given.shape)} of {given.datatype} has"
    try:
        plain = np.asarray(values)
    except ValueError as error:  # lists of different lengths
        raise DataError(wrong) from error
    flat = plain.ndim == 1 and plain.size == math.prod(inner)
    if plain.shape != inner and not flat:
        raise DataError(wrong)
    if (plain.dtype == np.bool_) != (dtype == np.bool_) or plain.dtype.kind not in "biuf":
        raise DataError(f"{wrong}: expected numbers that it can hold")
    with np.errstate(over="ignore", invalid="ignore"):
        typed = plain.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(typed, plain):
        raise DataError(f"{wrong}: expected whole numbers that {given.datatype} can hold")
    return typed.reshape(inner)


def rows(values: np.ndarray, length: int | None, fill: int = 0) -> np.ndarray:
    """Return the values of one example with so many rows: what is missing at the end is filled.

    Parameters
    ----------
    values
        Those of an example, its elements along the first axis.
    length
        How many rows; None: as they are.
    fill
        What stands in the rows that are added.
    """
    if length is None or len(values) == length:
        return values
    longer = np.full((length, *values.shape[1:]), fill, values.dtype)
    longer[: len(values)] = values
    return longer


def text_tensor(text: str) -> bytes:
    """Return a text as one element of a tensor of bytes: behind its length in four bytes."""
    encoded = text.encode()
    return len(encoded).to_bytes(4, "little") + encoded
