"""What a model answers as Awkward arrays: numbers by the names of their columns, in the lists that examples came in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..bundle.elements import Sets
from ..bundle.errors import DataError
from ..bundle.runtime import Answer, Judge
from ..bundle.signature import Signature, TensorSpec
from .nested import Nested

__all__ = ["OUTSIDE", "answers", "records"]

#: The field that says what of an example the model wasn't made for.
OUTSIDE = "outside"
#: What every explanation has besides outputs: what relevances and ledger sum up to.
_EXPLAINED = "explained"
#: Examples that are lists of arrays at a time.
CHUNK = 1024

Ask = Callable[[Mapping[str, Sequence[np.ndarray]], int, Judge], list[Answer]]


def answers(signature: Signature, specs: Sequence[TensorSpec], given: Nested, ask: Ask, *, explain: bool) -> Any:
    """Ask a model for all examples; return an array with a record for each.

    Parameters
    ----------
    signature
        Of the model.
    specs
        What is wanted of its answers.
    given
        The examples.
    ask
        Gives the answers of some examples; of the number of the first one, and with what judges them. It isn't called
        where there is none.
    explain
        Whether ``explained`` is among the answers.
    """
    import awkward

    for spec in specs:
        set_of_another = spec.set_axis not in (None, signature.inputs[0].set_axis)
        if set_of_another or not {*spec.axes[2:]} <= set(spec.sizes):
            raise DataError(f"{spec.name} ({', '.join(spec.axes)}) has no place in an array: use `load`")
    examples = {name: sets.each() for name, sets in given.inputs.items()}
    judge = Judge(signature)
    parts: dict[str, list[np.ndarray]] = {spec.name: [] for spec in specs}
    totals: list[np.ndarray] = []
    for start in range(0, len(given), CHUNK):
        found = ask({name: values[start : start + CHUNK] for name, values in examples.items()}, start, judge)
        for spec in specs:
            parts[spec.name] += [_joined(spec, [one[spec.name] for one in found])]
        totals += [np.array([one[_EXPLAINED] for one in found])] if explain else []
        judge.forget()
    fields = {spec.name: _field(spec, parts[spec.name], given.first) for spec in specs}
    if explain:
        fields[_EXPLAINED] = awkward.from_numpy(np.concatenate([*totals, np.zeros(0)]))
    reasons = judge.reasons
    fields[OUTSIDE] = _texts([reasons.get(number, []) for number in range(len(given))])
    return given.lists(awkward.zip(fields, depth_limit=1))


def _joined(spec: TensorSpec, rows: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(rows) if spec.set_axis else np.stack(rows)


def _field(spec: TensorSpec, parts: Sequence[np.ndarray], given: Sets) -> Any:
    """Return an output with an entry for each example."""
    import awkward

    first = np.zeros((0, *(spec.sizes[axis] for axis in spec.axes[1:] if axis in spec.sizes)), spec.dtype)
    values = np.concatenate([first, *parts]).astype(spec.dtype, copy=False)
    if not spec.set_axis:
        return records(spec, values)
    return awkward.unflatten(records(spec, given.as_given(values)), given.given)


def records(spec: TensorSpec, values: np.ndarray) -> Any:
    """Return values as records of their columns along the last axis, where these have names."""
    import awkward

    names = spec.columns
    if len(values.shape) < 2 or not names or len(set(names)) < len(names):
        return awkward.from_numpy(values, regulararray=True)
    columns = {name: np.ascontiguousarray(values[..., number]) for number, name in enumerate(names)}
    return awkward.zip({name: awkward.from_numpy(column, regulararray=True) for name, column in columns.items()})


def _texts(texts: Sequence[Sequence[str]]) -> Any:
    """Return lists of strings; their type is the same where there is none."""
    import awkward

    flat = [text for some in texts for text in some]
    return awkward.unflatten(awkward.Array([*flat, ""])[:-1], np.array([len(some) for some in texts], np.int64))
