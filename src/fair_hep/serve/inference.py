"""One question in the Open Inference Protocol, and its answer: tensors of all examples in, tensors out.

Sets of different lengths are padded with zeros to one shape. An input (`face.LENGTHS`) may say how long each is;
without it zeros at the end are padding. Outputs have the padded length again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..bundle.errors import DataError
from ..bundle.inputs import one_example
from ..bundle.runtime import Answer
from ..bundle.signature import TensorSpec
from .asked import HEADER, read_asked
from .face import LENGTHS, Face
from .limits import Limits
from .tensors import BYTES, datatype, read_tensor, rows, text_tensor

__all__ = ["Inference"]

#: What makes an answer smaller.
_FEWER = "fewer outputs"


class Inference:
    """A request for ``infer``: what is asked, and the answer so far (the form that `queue.Question` wants).

    Parameters
    ----------
    body
        The request's body.
    json_bytes
        How many bytes of it are JSON; None: all of them.
    face
        The model that is asked.
    limits
        Most examples, elements and bytes of the answer.
    check
        Called while it is read; raises if nobody waits any more.

    Raises
    ------
    DataError
        If it isn't what the metadata of the model say.
    Refusal
        If it is more than a request may ask.
    """

    def __init__(
        self, body: bytearray, json_bytes: int | None, face: Face, limits: Limits, check: Callable[[], None]
    ) -> None:
        self.face, self.limits, self.check = face, limits, check
        self.explain, self.outside = face.explains, 0
        self.headers: dict[str, str] = {}
        self._specs = {spec.name: spec for spec in (*face.outputs, *face.extras())}
        self._asked = read_asked(body, json_bytes, face, limits)
        self._check_answer()
        self.examples, self.targets = self._values()
        # What is read isn't kept while it waits.
        self._asked = replace(self._asked, text="", given={}, raw={})
        self._found: dict[str, dict[int, bytes]] = {name: {} for name in self._asked.wanted}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._size = 0

    def _values(self) -> tuple[dict[str, list[np.ndarray]], list[np.ndarray] | None]:
        """Return the checked examples by the names of the inputs, and what is explained of each."""
        face = self.face
        read = {spec.name: self._read(spec) for spec in face.inputs if spec.name in self._asked.given}
        weights = face.inputs[-1] if face.explains else None
        lengths = self._lengths(read)
        found = {
            spec.name: [
                one_example(spec, _cut(spec, values, length, number), number)
                for number, (values, length) in enumerate(zip(read[spec.name], lengths, strict=True))
            ]
            for spec in face.signature.inputs
        }
        if weights is None or weights.name not in read:
            return found, None
        targets = [
            values[:length] if weights.set_axis else values
            for values, length in zip(read[weights.name], lengths, strict=True)
        ]
        for number, one in enumerate(targets):
            if not np.isfinite(one).all():
                raise DataError(f"{weights.name}[{number}]: got weights that aren't finite")
        return found, targets

    def _read(self, spec: TensorSpec) -> list[np.ndarray]:
        asked = self._asked
        return list(read_tensor(asked.given[spec.name], spec, asked.text, asked.raw[spec.name], self.check))

    def _lengths(self, read: Mapping[str, Sequence[np.ndarray]]) -> list[int] | list[None]:
        """Return how many elements of each example aren't padding; None where there are no sets, or it isn't known."""
        face, most = self.face, self._asked.length
        if most is None or not face.signature.padded:
            return [None] * self._asked.count
        if face.takes_lengths and LENGTHS in self._asked.given:
            told = [int(one) for one in self._read(face.lengths)]
            for number, one in enumerate(told):
                if not 0 <= one <= most:
                    raise DataError(f"{LENGTHS}[{number}]: got {one}, expected 0 to {most}, the padded length")
            return told
        sets = [spec for spec in face.signature.inputs if spec.set_axis == face.set_axis]
        return [max(_real(read[spec.name][number]) for spec in sets) for number in range(self._asked.count)]

    def _check_answer(self) -> None:
        """Refuse before anything is computed what would be too large: bytes, or two characters for each number."""
        whole = 0
        for name, binary in self._asked.wanted.items():
            if (spec := self._specs.get(name)) is not None:
                sizes = [spec.sizes.get(axis, self._asked.length or 1) for axis in spec.axes[1:]]
                whole += self._asked.count * math.prod(sizes) * (np.dtype(spec.dtype).itemsize if binary else 2)
        self.limits.check_answer(whole, _FEWER)

    def take(self, number: int, answer: Answer) -> None:
        """Take the answer of an example.

        Raises
        ------
        Refusal
            If all answers together are too large.
        DataError
            If a value isn't finite.
        """
        self.outside += bool(answer.outside)
        for name, binary in self._asked.wanted.items():
            spec = self._specs.get(name)
            if spec is None:
                told = "; ".join(answer.outside)
                piece = text_tensor(told) if binary else json.dumps(told).encode("ascii")
            else:
                piece = self._encoded(spec, number, answer[name], binary=binary)
            self._found[name][number] = piece
            self._size += len(piece) + 1
            self.limits.check_answer(self._size, _FEWER)

    def _encoded(self, spec: TensorSpec, number: int, values: np.ndarray, *, binary: bool) -> bytes:
        """Return the values of one example's output, with their padding again."""
        if not np.isfinite(values).all():
            raise DataError(f"example {number}: the model's {spec.name} isn't finite")
        if spec.set_axis is not None and spec.set_axis == self.face.set_axis and self.face.signature.padded:
            # An index of -1 is no edge.
            values = rows(values, self._asked.length, -1 if spec.name.endswith("_index") else 0)
        values = np.asarray(values, spec.dtype)
        if self._shapes.setdefault(spec.name, values.shape) != values.shape:
            raise DataError(f"{spec.name}: examples have answers of different shapes: ask for one at a time")
        if binary:
            return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        return json.dumps(values.ravel().tolist(), separators=(",", ":"))[1:-1].encode("ascii")

    def answer(self) -> bytes:
        """Return the whole answer; `headers` then says what stands in front of it."""
        asked, told, behind = self._asked, [], []
        for name, binary in asked.wanted.items():
            pieces = [self._found[name][number] for number in range(asked.count)]
            spec = self._specs.get(name)
            head: dict[str, Any] = {"name": name, "shape": [asked.count, *self._shapes.get(name, ())]}
            head["datatype"] = datatype(spec.dtype) if spec else BYTES
            if binary:
                behind.append(b"".join(pieces))
                head["parameters"] = {"binary_data_size": len(behind[-1])}
                told.append(json.dumps(head).encode("ascii"))
            else:
                data = b",".join(piece for piece in pieces if piece)
                told.append(json.dumps(head).encode("ascii")[:-1] + b', "data": [' + data + b"]}")
        own = {"model_name": self.face.name, "model_version": self.face.version}
        front = json.dumps(own if asked.id is None else {**own, "id": asked.id}).encode("ascii")
        content = front[:-1] + b', "outputs": [' + b", ".join(told) + b"]}"
        if behind:
            self.headers = {HEADER: str(len(content)), "Content-Type": "application/octet-stream"}
        return content + b"".join(behind)


def _real(values: np.ndarray) -> int:
    """Return how many rows an example has, but for zeros at its end; a list of plain numbers may end with zeros."""
    if values.ndim < 2:
        return len(values)
    some = np.flatnonzero((values != 0).any(axis=tuple(range(1, values.ndim))))
    return int(some[-1]) + 1 if len(some) else 0


def _cut(spec: TensorSpec, values: np.ndarray, length: int | None, number: int) -> np.ndarray:
    """Leave out padding, which must be zeros."""
    if spec.set_axis is None or length is None:
        return values
    if (values[length:] != 0).any():
        raise DataError(f"{spec.name}[{number}]: got values behind its {length} {spec.set_axis}, expected zeros there")
    return values[:length]
