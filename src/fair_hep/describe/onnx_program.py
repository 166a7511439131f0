"""A program that runs the graphs of a bundle with NumPy and ONNX Runtime and nothing of ours: for the card, to copy."""

from __future__ import annotations

from collections.abc import Sequence

from .. import bundle
from ..bundle import Signature, TensorSpec

__all__ = ["onnx_program"]

_HEAD = """\
import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # newer versions of ONNX Runtime would report to their makers
import numpy as np
import onnxruntime


def run(file, inputs):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))
"""
_PADDED = """\


def padded(examples, dtype):
    # one array of all examples, with zeros behind the shorter ones
    batch = np.zeros((len(examples), max(map(len, examples)), *np.shape(examples[0])[1:]), dtype)
    for row, example in zip(batch, examples):
        row[: len(example)] = example
    return batch
"""
#: Stored examples that the program asks; whoever uses it puts others in their place.
_SHOWN = 2


def onnx_program(signature: Signature) -> str:
    """Return the program: it runs as it stands in the bundle's folder, on the first stored examples.

    ``outputs`` holds what the graph gives, by name, ``found`` what the explained graph gives, if there is one.
    """
    lines = [_HEAD + (_PADDED if any(map(_ragged, _padded(signature))) else ""), *_given(signature)]
    lines += [f'outputs = run("{bundle.MODEL}", inputs)', *_shown("outputs")]
    if signature.explained is not None:
        lines += ["", *_explained(signature)]
    return "\n".join(lines) + "\n"


def _padded(signature: Signature) -> Sequence[TensorSpec]:
    return signature.inputs if signature.padded else ()


def _ragged(spec: TensorSpec) -> bool:
    return spec.set_axis is not None


def _shown(name: str) -> list[str]:
    return [f"for name, values in {name}.items():", "    print(name, values.shape, values[0])"]


def _given(signature: Signature) -> list[str]:
    """Return lines that read examples and join them as the graph takes them."""
    axis = signature.inputs[0].axes[0]
    lines = ["", 'stored = np.load("examples/inputs.npz")', f"# some {axis}: put your own in their place"]
    # A third-party graph may take one example at a time only, and what padding does to it isn't known.
    count = _SHOWN if signature.padded else 1
    rows = []
    for spec in signature.inputs:
        taken = f'stored["{spec.name}"][:{count}]'
        rows.append(
            f'    "{spec.name}": padded({taken}, np.{spec.dtype}),'
            if signature.padded and _ragged(spec)
            else f'    "{spec.name}": {taken},'
        )
        lines.append(f"# {spec.name}: {_each(spec)}")
    return [*lines, "inputs = {", *rows, "}"]


def _each(spec: TensorSpec) -> str:
    """Say what one example is."""
    shape = ", ".join(axis if axis in spec.dynamic else str(spec.sizes[axis]) for axis in spec.axes[1:])
    units = {spec.unit_of(column) for column in spec.columns}
    columns = (
        ", ".join(spec.columns) + (f" in {spec.unit}" if units == {spec.unit} and spec.unit != "1" else "")
        if len(units) < 2
        else ", ".join(
            column + (f" ({spec.unit_of(column)})" if spec.unit_of(column) != "1" else "") for column in spec.columns
        )
    )
    return f"each {spec.dtype} [{shape}]" + (f": {columns}" if columns else "")


def _explained(signature: Signature) -> list[str]:
    """Return lines that ask for relevances, and sum them up to what is explained."""
    assert signature.explained is not None
    known = signature.explained
    spec, first = known.inputs[-1], signature.inputs[0]
    raw = [output.name for output in signature.outputs if output.raw]
    weights = ", ".join(f"{weight:g}" for weight in known.how.target)
    named = ", ".join(spec.columns)
    joined = (
        f'found["{raw[0]}"]' if len(raw) == 1 else f"np.concatenate([{', '.join(f'found[{n!r}]' for n in raw)}], -1)"
    )
    lines = [f"# what is explained: the sum of these weights times {named}"]
    lines.append(f"weights = np.array([{weights}], np.{spec.dtype})")
    if spec.set_axis:
        lines += [
            f'real = (inputs["{first.name}"] != 0).any(-1, keepdims=True)',
            f"target = (weights * real).astype(np.{spec.dtype})",
        ]
        axes = "(1, 2)"
    else:
        lines.append(f'target = np.tile(weights, (len(inputs["{first.name}"]), 1))')
        axes = "1"
    relevant = tuple(range(1, len(signature.relevant.axes)))
    return [
        *lines,
        f'found = run("{bundle.EXPLAINED}", {{**inputs, "{spec.name}": target}})',
        f"explained = ({joined} * target).sum({axes})",
        f'account = found["relevance"].sum({relevant}) + found["ledger"][:, :3].sum(1)',
        'print("explained", explained, "relevances and ledger together", account)',
    ]
