"""The text of ``config.pbtxt``: what Triton Inference Server must know of a graph, with what a client must know of it.

The fields are those of ``ModelConfig`` in Triton's ``model_config.proto``; the tests read the text with Triton's own
protobuf. What depends on a version stands in comments, as one file describes all versions of a model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..bundle.errors import BundleError
from ..bundle.session import session
from ..bundle.signature import TensorSpec

__all__ = ["Tensor", "Text", "batchable", "config", "largest_batch", "read_tensors"]

#: Triton's name of a type, by that of ONNX Runtime.
_TYPES: Mapping[str, str] = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(double)": "TYPE_FP64",
    "tensor(float)": "TYPE_FP32",
    "tensor(float16)": "TYPE_FP16",
    "tensor(bfloat16)": "TYPE_BF16",
    "tensor(string)": "TYPE_STRING",
    **{f"tensor({sign}int{bits})": f"TYPE_{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
#: Pairs of elements of all examples in a pass: what graph networks compare, 64 MiB in single precision.
_PAIRS = 2**24
#: Most examples in a pass, and elements of a set that is known to have no limit.
_MOST, _LONG = 64, 1024
#: Columns of a comment.
_WIDTH = 110


class Tensor(NamedTuple):
    """An input or output of a graph: its type as Triton names it, and its lengths, None where any is taken."""

    name: str
    type: str
    shape: tuple[int | None, ...]


class Text(NamedTuple):
    """What a file says in front, for humans: of a model, and of each tensor by its name."""

    head: Sequence[str]
    tensors: Mapping[str, Sequence[str]]


def read_tensors(graph: Path) -> tuple[list[Tensor], list[Tensor]]:
    """Return the inputs and the outputs of an ONNX graph, as ONNX Runtime sees them.

    Raises
    ------
    BundleError
        If ONNX Runtime can't load the graph, or a type isn't one that Triton knows.
    """
    opened = session(graph, threads=1)

    def described(value: object) -> Tensor:
        name, kind, shape = value.name, value.type, value.shape  # type: ignore[attr-defined]
        if kind not in _TYPES:
            raise BundleError(f"{graph.name}: {name} is a {kind}, and Triton knows only {', '.join(_TYPES)}")
        # A length with a name, or none at all, may be any.
        return Tensor(name, _TYPES[kind], tuple(one if isinstance(one, int) else None for one in shape))

    return [described(one) for one in opened.get_inputs()], [described(one) for one in opened.get_outputs()]


def batchable(tensors: Sequence[Tensor]) -> bool:
    """Say whether a graph takes and gives several examples: the first axis of every tensor has any length."""
    return all(one.shape and one.shape[0] is None for one in tensors)


def largest_batch(specs: Sequence[TensorSpec], *, explains: bool = False) -> int:
    """Return how many examples one pass may have, so that the pairs of elements of all of them fit into 64 MiB.

    Parameters
    ----------
    specs
        The inputs; the longest set counts, and one without a limit as a set of 1,024 elements.
    explains
        Whether the graph goes back through its layers, and so keeps the values of each: then a quarter as many.
    """
    longest = max((spec.limits.get(spec.set_axis, _LONG) for spec in specs if spec.set_axis), default=1)
    pairs, most = (_PAIRS // 4, _MOST // 4) if explains else (_PAIRS, _MOST)
    return max(1, min(most, pairs // longest**2))


def config(name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor], batch: int, text: Text) -> str:
    """Return the text of a model's ``config.pbtxt``.

    Parameters
    ----------
    name
        Name of the model, and of its folder.
    inputs, outputs
        Those of the graph.
    batch
        Examples that a pass may have; 0 where the first axis has a fixed length.
    text
        What is told to humans.
    """
    return "\n".join(
        [
            *_comment(text.head),
            f"name: {_quoted(name)}",
            'backend: "onnxruntime"',
            'default_model_filename: "model.onnx"',
            f"max_batch_size: {batch}",
            *_tensors("input", inputs, batch, text.tensors),
            *_tensors("output", outputs, batch, text.tensors),
            *_batching(batch),
            "# On a GPU where Triton has one, else on the CPU; more instances: raise count.",
            "instance_group [ { kind: KIND_AUTO count: 1 } ]",
            "# Every version in this folder is served; a request without one gets the newest.",
            "version_policy { all { } }",
            "# Sizes change from request to request: a plan for one would be kept in memory beside the next.",
            'parameters { key: "enable_mem_pattern" value { string_value: "0" } }',
            "# TF32 would round to ten bits on the way, and the stored answers would differ.",
            "optimization { execution_accelerators { gpu_execution_accelerator [",
            '  { name: "cuda" parameters { key: "use_tf32" value: "0" } }',
            "] } }",
            "",
        ]
    )


def _tensors(field: str, tensors: Sequence[Tensor], batch: int, told: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for one in tensors:
        yield from _comment(told.get(one.name, ()))
        shape = one.shape[1:] if batch else one.shape
        lengths = ", ".join("-1" if length is None else str(length) for length in shape)
        # Triton has no tensor without axes: one number of each example is a list of one, and reshaped on the way.
        form = f"dims: [ {lengths} ]" if shape else "dims: [ 1 ] reshape { shape: [ ] }"
        yield f"{field} [ {{ name: {_quoted(one.name)} data_type: {one.type} {form} }} ]"


def _batching(batch: int) -> Iterator[str]:
    if batch > 1:
        yield "# Requests of one shape that wait are computed together; none waits for others to come."
        yield "dynamic_batching { }"


def _comment(lines: Sequence[str]) -> Iterator[str]:
    """Give lines of comments, which no text can leave."""
    for line in lines:
        row = "#"
        # Text of others: what UTF-8 can't hold is written as an escape.
        for word in line.encode("utf-8", "backslashreplace").decode().split():
            if len(row) + len(word) >= _WIDTH:
                yield row
                row = "#  "
            row += f" {word}"
        yield row


def _quoted(text: str) -> str:
    """Return a string of protobuf's text format, whatever it holds: JSON in ASCII is read the same by both."""
    return json.dumps(text)
