"""The JSON of an inference request: what is given, and what is wanted; the values stay where they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..bundle.answer import OUTSIDE
from ..bundle.errors import DataError
from .face import LENGTHS, Face
from .limits import Limits
from .parse import most_values
from .refusal import Refusal
from .tensors import Given, TensorReader

__all__ = ["HEADER", "Asked", "read_asked"]

#: The header that says how much of a body is JSON, if tensors come behind it.
HEADER = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Asked:
    """What a request asks.

    Attributes
    ----------
    text
        Its JSON.
    id
        Its own name for itself, which the answer repeats.
    given
        The inputs by their names.
    raw
        The bytes of each.
    wanted
        The outputs that it wants, and whether as bytes.
    count, length
        How many examples, and how many elements each has with its padding; None where there are no sets.
    """

    text: str
    id: str | None
    given: dict[str, Given]
    raw: dict[str, memoryview]
    wanted: dict[str, bool]
    count: int
    length: int | None


def read_asked(body: bytearray, json_bytes: int | None, face: Face, limits: Limits) -> Asked:
    """Read a request, but for the values of its inputs.

    Parameters
    ----------
    body
        The request's body.
    json_bytes
        How many bytes of it are JSON; None: all of them.
    face
        The model that is asked.
    limits
        Most examples and elements.

    Raises
    ------
    DataError
        If it isn't what the metadata of the model say.
    Refusal
        If it is more than a request may ask.
    """
    size = len(body) if json_bytes is None else json_bytes
    if not 0 < size <= len(body):
        raise DataError(f"{HEADER}: got {size}, expected the bytes of JSON at the head of a body of {len(body)}")
    values = sum(body.count(sign, 0, size) for sign in (b",", b"[", b"{"))
    # As many as a request in the other protocol, and a weight for each output of each element.
    most = most_values(face.signature, limits) * (2 if face.explains else 1)
    if values > most:
        raise Refusal(413, f"body: got {values} lists and values, expected at most {most}", "large")
    try:
        text = str(memoryview(body)[:size], "utf-8")  # without a copy of the bytes
        inputs, rest = _Request(text).read()
    except UnicodeDecodeError as error:
        raise DataError(f"body: not JSON in UTF-8 (byte {error.start})") from error
    except (ValueError, RecursionError) as error:  # json's own errors are values that are wrong
        raise DataError(f"body: not JSON ({error})") from error
    wanted = _wanted(rest, face)
    given = _by_name(inputs, face)
    count, length = _sizes(given, face, limits)
    return Asked(text, rest.get("id"), given, _raw(inputs, memoryview(body)[size:]), wanted, count, length)


class _Request(TensorReader):
    """The JSON of a request."""

    def read(self) -> tuple[list[Given], dict[str, Any]]:
        """Return the inputs, and what else there is by its key."""
        if self._next() != "{":
            raise DataError(f"body: got {type(self._whole()).__name__}, expected an inference request with inputs")
        inputs: list[Given] | None = None
        rest: dict[str, Any] = {}
        for key in self._keys():
            if key == "inputs":
                if self._next() != "[":
                    raise DataError(f"inputs: got {type(self._value()).__name__}, expected a list of tensors")
                inputs = [self.tensor(number) for number, _ in enumerate(self._items("]"))]
            elif key in ("id", "parameters", "outputs"):
                rest[key] = self._value()
            else:
                raise DataError(f"body: got {key[:60]!r}, expected id, parameters, inputs and outputs")
        self._end()
        if inputs is None:
            raise DataError("body: got no inputs, expected a list of tensors")
        own = rest.get("id")
        if own is not None and not (isinstance(own, str) and len(own) <= 1000):
            raise DataError("id: expected a text of at most 1000 characters")
        return inputs, rest


def _wanted(given: Mapping[str, Any], face: Face) -> dict[str, bool]:
    """Return the outputs that a request asks for, and whether each comes as bytes."""
    parameters = _switch(given.get("parameters", {}), "parameters", "binary_data_output")
    known = [*(spec.name for spec in (*face.outputs, *face.extras())), OUTSIDE]
    outputs = given.get("outputs")
    if not outputs and isinstance(outputs, list | None):
        return dict.fromkeys(known, bool(parameters))
    if not isinstance(outputs, list) or not all(isinstance(one, dict) for one in outputs):
        raise DataError('outputs: expected a list of {"name": ...}')
    found: dict[str, bool] = {}
    for number, one in enumerate(outputs):
        name, where = one.get("name"), f"outputs[{number}]"
        if name not in known or name in found or not set(one) <= {"name", "parameters"}:
            raise DataError(f"{where}: got {str(one)[:100]}, expected one of {', '.join(known)}, each once")
        own = _switch(one.get("parameters", {}), f"{where}.parameters", "binary_data")
        found[name] = bool(parameters if own is None else own)
    return found


def _switch(given: Any, where: str, known: str) -> bool | None:
    """Return the one parameter that may be given there."""
    if not isinstance(given, dict) or not set(given) <= {known} or not all(type(one) is bool for one in given.values()):
        raise DataError(f"{where}: got {str(given)[:100]}, expected nothing but {known}, true or false")
    found: bool | None = given.get(known)
    return found


def _by_name(given: Sequence[Given], face: Face) -> dict[str, Given]:
    """Return the inputs by their names: every one that is needed, and none that isn't known."""
    optional = [*([face.inputs[-1].name] if face.explains else []), *([LENGTHS] if face.takes_lengths else [])]
    needed = [spec.name for spec in face.signature.inputs]
    names = [one.name for one in given]
    if len(set(names)) != len(names) or not set(needed) <= set(names) <= {*needed, *optional}:
        more = f", and if wanted {', '.join(optional)}" if optional else ""
        got = ", ".join(name[:60] for name in names) or "none"
        raise DataError(f"inputs: got {got[:200]}, expected {', '.join(needed)}{more}, each once")
    return dict(zip(names, given, strict=True))


def _sizes(given: Mapping[str, Given], face: Face, limits: Limits) -> tuple[int, int | None]:
    """Return how many examples a request has, and the padded length of their sets, if the limits allow them."""
    specs = {spec.name: spec for spec in (*face.inputs, face.lengths)}
    axes: dict[str, int] = {}
    for name, one in given.items():
        spec = specs[name]
        fits = len(one.shape) == len(spec.axes) and all(
            axis in spec.dynamic or size == spec.sizes[axis] for axis, size in zip(spec.axes, one.shape, strict=True)
        )
        # Axes of one name have one length: of examples, and of elements.
        if not fits or any(
            axes.setdefault(axis, size) != size for axis, size in zip(spec.axes, one.shape, strict=True)
        ):
            shape = ", ".join(axis if axis in spec.dynamic else str(spec.sizes[axis]) for axis in spec.axes)
            raise DataError(f"{name}: got shape {list(one.shape)}, expected [{shape}], as long as those of the others")
    count = axes[face.signature.inputs[0].axes[0]]
    length = axes.get(face.set_axis) if face.set_axis else None
    if not count:
        raise DataError("inputs: got no examples, expected at least one")
    limits.check_counts(count, count * max(1, length or 1))
    return count, length


def _raw(given: Sequence[Given], behind: memoryview) -> dict[str, memoryview]:
    """Return the bytes of each input; they come in the order of the inputs, and none are left."""
    found, at = {}, 0
    for one in given:
        found[one.name] = behind[at : at + (one.size or 0)]
        at += one.size or 0
    if at != len(behind):
        raise DataError(f"body: got {len(behind)} bytes behind the JSON, expected the {at} that its inputs tell of")
    return found
