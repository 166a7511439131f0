"""Whether two faces of a network give the same answer, and where they may differ honestly.

A graph network chooses neighbours (top-k). Two candidates that are equally near at single precision may be chosen
differently by another machine or runtime; the outputs of such an example then differ by more than rounding. So the
choices are compared too: an answer that hangs on a choice which differs is counted, and the others must agree.

An *answer* is an example, or an element of an example where a network answers for every element of a set. An element's
answer hangs on its own choice, and on those of the elements that it chose.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ..bundle.errors import BundleError
from ..bundle.session import compute, onnx_runtime

if TYPE_CHECKING:
    import onnx

    from ..bundle import TensorSpec
    from ..tracing.graph import Published

__all__ = [
    "Choices",
    "Parity",
    "compare",
    "compare_shapes",
    "difference",
    "double_precision",
    "doubled",
    "forward",
    "near_ties",
    "shapes",
]

#: A choice is clear if the gap between the last one chosen and the first one left is so many times the rounding.
CLEAR = 4.0
MANY = 200


@dataclass
class Choices(TorchDispatchMode):
    """Record every top-k while it is active: among which values, and which entries were chosen.

    A search among the elements of large sets may go block by block; its blocks are joined.

    Parameters
    ----------
    keep
        Whether to keep the values.
    values
        What was chosen from, ``[examples, ..., entries]``; larger values are better.
    counts
        How many were chosen.
    chosen
        The chosen entries ``[examples, ..., k]``, sorted; -1 where the value isn't finite (that is no choice).
    """

    keep: bool = False
    values: list[np.ndarray] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    chosen: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._missing = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Nothing is compiled here, and to be kept from it torch would import its compiler, for one to two seconds.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator; look at it if it is a top-k."""
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.topk.default:
            values, k, *rest = args
            largest = bool(rest[1]) if len(rest) > 1 else True
            kept = (values if largest else -values).numpy() if self.keep else np.zeros(0)
            self._add(kept, int(k), _sets(result[0].numpy(), result[1].numpy()), entries=values.shape[-1])
        return result

    def _add(self, values: np.ndarray, k: int, chosen: np.ndarray, *, entries: int) -> None:
        if self._missing:
            self._missing -= chosen.shape[1]
            self.chosen[-1] = np.concatenate([self.chosen[-1], chosen], 1)
            self.values[-1] = np.concatenate([self.values[-1], values], 1) if self.keep else values
            return
        # Where elements choose among elements there is a row for each entry, all at once or a block at a time.
        if chosen.ndim == 3 and k < entries:
            self._missing = max(0, entries - chosen.shape[1])
        self.values.append(values)
        self.counts.append(k)
        self.chosen.append(chosen)


def _sets(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    return np.sort(np.where(np.isfinite(values), index, -1), axis=-1)


def _close(single: np.ndarray, double: np.ndarray, k: int) -> np.ndarray:
    """Say for every row ``[examples, ...]`` whether the last one chosen and the first one left are equally good.

    How large rounding is, is measured: the difference between single and double precision of the values chosen.
    """
    if double.shape[-1] <= k:
        return np.zeros(double.shape[:-1], dtype=bool)
    order = np.argsort(-double, axis=-1, kind="stable")[..., : k + 1]
    exact, rounded = np.take_along_axis(double, order, -1), np.take_along_axis(single, order, -1)
    # Values that aren't finite stand for padding; a gap to padding is no choice to make.
    finite = np.isfinite(exact)
    error = np.abs(np.where(finite, exact, 0.0) - np.where(finite & np.isfinite(rounded), rounded, 0.0)).max(-1)
    both = finite[..., k] & finite[..., k - 1]
    gap = np.where(both, exact[..., k - 1], np.inf) - np.where(both, exact[..., k], 0.0)
    return np.asarray(gap <= CLEAR * error)


def _reached(
    doubtful: Sequence[np.ndarray], chosen: Sequence[Sequence[np.ndarray]], shape: Sequence[int]
) -> np.ndarray:
    """Say for every answer whether it hangs on a doubtful choice.

    Parameters
    ----------
    doubtful
        For every choice in order: the rows ``[examples, ...]`` in which it may differ.
    chosen
        For every choice: what was chosen, by each of those who chose.
    shape
        ``[examples]``, or ``[examples, elements]`` if there is an answer for every element.
    """
    if len(shape) == 1:
        rows = [row.reshape(len(row), -1).any(1) for row in doubtful]
        return np.logical_or.reduce([np.zeros(shape, dtype=bool), *rows])
    reached = np.zeros(shape, dtype=bool)
    examples = np.arange(shape[0])[:, None, None]
    for row, those in zip(doubtful, chosen, strict=True):
        through = [(reached[examples, index] & (index >= 0)).any(-1) for index in those]
        reached = np.logical_or.reduce([reached, row, *through])
    return reached


@dataclass(frozen=True)
class Parity:
    """How two faces compare on one batch.

    Parameters
    ----------
    case
        What was tried.
    answers
        Number of answers.
    largest
        Largest difference of any output, see `difference`, over the answers that hang on choices which agree.
    flipped
        Number of answers that hang on a choice which differs.
    largest_flipped
        Largest difference over those; 0 if there is none.
    asked
        Whether they had to agree: of examples that were made up, a graph of integers isn't asked that.
    """

    case: str
    answers: int
    largest: float
    flipped: int
    largest_flipped: float
    asked: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; ``asked`` only where it is false."""
        return {name: value for name, value in asdict(self).items() if name != "asked" or not value}


def forward(
    network: Published, arrays: Mapping[str, np.ndarray], *, keep: bool = False
) -> tuple[list[np.ndarray], Choices]:
    """Run the network; return its outputs and its choices."""
    tensors = [torch.from_numpy(np.ascontiguousarray(arrays[name])) for name in network.names]
    with torch.no_grad(), Choices(keep=keep) as choices:
        outputs = [value.numpy() for value in network(*tensors)]
    return outputs, choices


def near_ties(network: Published, arrays: Mapping[str, np.ndarray]) -> list[int]:
    """Return the answers that hang on rounding: where single precision can't decide which neighbour to choose.

    Answers are numbered through: those of the first example, padding included, then those of the second.
    """
    with double_precision():
        exact = copy.deepcopy(network).double()
    # One example at a time: the values of a choice among thousands are large.
    close = [
        _near(network, exact, {name: values[number : number + 1] for name, values in arrays.items()})
        for number in range(len(next(iter(arrays.values()))))
    ]
    return [int(number) for number in np.flatnonzero(np.concatenate(close))]


def _near(network: Published, exact: Published, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    outputs, single = forward(network, arrays, keep=True)
    with double_precision():
        _, double = forward(exact, doubled(arrays), keep=True)
    doubtful = [
        _close(a, b, k) | (first != second).any(-1)
        for a, b, k, first, second in zip(
            single.values, double.values, single.counts, single.chosen, double.chosen, strict=True
        )
    ]
    chosen = list(zip(single.chosen, double.chosen, strict=True))
    return _reached(doubtful, chosen, network.answers(outputs[0]))


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Let a network that makes its own constants make them in double precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def doubled(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return inputs in double precision; those that are no floating-point numbers stay what they are."""
    return {k: v.astype(np.float64) if np.issubdtype(v.dtype, np.floating) else v for k, v in arrays.items()}


def shapes(
    inputs: Sequence[TensorSpec], arrays: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Give batches of several shapes made from real examples: one element, many, more padding, nothing but padding."""
    first = inputs[0]
    counted = first.axes[0]
    examples = len(arrays[first.name])
    yield f"{examples} {counted}", dict(arrays)
    yield f"1 of {counted}", {name: values[:1] for name, values in arrays.items()}
    element = first.set_axis
    if element is None:
        return
    axes = {spec.name: spec.axes.index(element) for spec in inputs if element in spec.axes}

    def changed(change: Any, stop: int) -> dict[str, np.ndarray]:
        return {name: change(v[:stop], axes[name]) if name in axes else v[:stop] for name, v in arrays.items()}

    yield f"1 of {element}", changed(lambda v, axis: v.take(range(1), axis), 4)
    yield f"2 of {element}", changed(lambda v, axis: v.take(range(2), axis), 4)
    yield f"1 of {counted} with 1 of {element}", changed(lambda v, axis: v.take(range(1), axis), 1)
    codes = {spec.name: [spec.columns.index(column) for column in spec.allowed] for spec in inputs}
    crowd = {n: _crowd(v[:8], axes[n], codes[n]) if n in axes else v[:8] for n, v in arrays.items()}
    yield f"{MANY} of {element}", crowd
    yield "more padding", changed(lambda v, axis: np.concatenate([v, np.zeros_like(v)], axis), 4)
    yield "nothing but padding", changed(lambda v, axis: np.zeros_like(v), 2)


def _crowd(values: np.ndarray, axis: int, codes: Sequence[int]) -> np.ndarray:
    """Put the elements of several examples into each, until there are many; no two are the same."""
    scaled = np.array([column not in codes for column in range(values.shape[-1])])
    rolled = [
        np.roll(values, shift, axis=0) * (1 + scaled * shift / 16).astype(values.dtype)
        for shift in range(1 + MANY // values.shape[axis])
    ]
    return np.concatenate(rolled, axis).take(range(MANY), axis)


def compare(network: Published, graph: Path, case: str, arrays: Mapping[str, np.ndarray]) -> Parity:
    """Compare PyTorch with ONNX Runtime on one batch; choices of neighbours are compared as sets."""
    return _compare(network, _Probe(graph), case, arrays)


def compare_shapes(
    network: Published,
    graph: Path,
    inputs: Sequence[TensorSpec],
    arrays: Mapping[str, np.ndarray],
    tolerance: float,
    *,
    clips: bool = False,
) -> list[Parity]:
    """Compare PyTorch with ONNX Runtime at several shapes.

    A graph of integers ``clips`` values that no real example gave: of examples that were made up it is asked that they
    are answered, but not how closely.

    Raises
    ------
    BundleError
        If an answer that hangs on no differing choice differs by more than the tolerance.
    """
    probe = _Probe(graph)
    found = [
        replace(_compare(network, probe, case, batch), asked=not clips or _real(batch, arrays))
        for case, batch in shapes(inputs, arrays)
    ]
    bad = [parity for parity in found if parity.asked and not parity.largest <= tolerance]
    if bad:
        worst = max(bad, key=lambda parity: parity.largest)
        raise BundleError(
            f"{graph.name}: differs from PyTorch by {worst.largest:.2g} ({worst.case}), "
            f"expected at most {tolerance:g}; a lower export.opset may help, else raise export.tolerance and say why"
        )
    return found


def _real(batch: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray]) -> bool:
    """Say whether examples are the real ones, but for padding at their ends."""
    return all(_begins(values, arrays[name][: len(values)]) for name, values in batch.items())


def _begins(values: np.ndarray, real: np.ndarray) -> bool:
    """Say whether an array has all entries of another at its beginning, and zeros behind."""
    if values.ndim != real.ndim or any(a < b for a, b in zip(values.shape, real.shape, strict=True)):
        return False
    inside = tuple(slice(size) for size in real.shape)
    return bool(np.array_equal(values[inside], real)) and np.count_nonzero(values) == np.count_nonzero(real)


def _compare(network: Published, probe: _Probe, case: str, arrays: Mapping[str, np.ndarray]) -> Parity:
    ours, choices = forward(network, arrays)
    theirs, chosen = probe.run(arrays)
    if any(a.shape != b.shape for a, b in zip(ours, theirs, strict=True)):
        raise BundleError(
            f"{case}: PyTorch gives shapes {[a.shape for a in ours]}, ONNX Runtime {[b.shape for b in theirs]}"
        )
    shape = network.answers(ours[0])
    size = math.prod(shape)
    differences = [difference(a, b, shape).reshape(size) for a, b in zip(ours, theirs, strict=True)]
    largest = np.max(differences, axis=0)
    pairs = list(zip(choices.chosen, chosen, strict=True)) if len(chosen) == len(choices.chosen) else []
    flipped = _reached([(a != b).any(-1) for a, b in pairs], pairs, shape).reshape(size)
    finite = np.logical_and.reduce([np.isfinite(a).reshape(size, -1).all(1) for a in ours])
    if not finite[~flipped].all():
        raise BundleError(
            f"{case}: PyTorch itself gives NaN or infinity, so there is nothing to compare with: look for a division "
            "by a number of elements that may be 0 (count.clamp(min=1)), a logarithm of 0, or a maximum of nothing"
        )
    return Parity(case, size, _largest(largest[~flipped]), int(flipped.sum()), _largest(largest[flipped]))


def difference(given: np.ndarray, wanted: np.ndarray, answers: Sequence[int]) -> np.ndarray:
    """Return the difference of every answer: absolute, but relative to the answer's largest value if that is above 1.

    Rounding grows with the values: a logit of 20 can't agree as closely as one of 1.
    """
    apart = np.abs(given.astype(np.float64) - wanted).reshape(*answers, -1).max(-1)
    size = np.abs(wanted.astype(np.float64)).reshape(*answers, -1).max(-1)
    return np.asarray(apart / np.maximum(size, 1.0))


def _largest(values: np.ndarray) -> float:
    return float(values.max()) if values.size else 0.0


class _Probe:
    """A graph in ONNX Runtime that also gives away what every top-k chose."""

    def __init__(self, path: Path) -> None:
        import onnx

        onnxruntime = onnx_runtime()
        proto = onnx.load(path)
        self.outputs = [value.name for value in proto.graph.output]
        probed, self.choices = _with_choices(proto)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            probed.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, arrays: Mapping[str, np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        wanted = [*self.outputs, *(name for pair in self.choices for name in pair)]
        given = compute(self.session, wanted, arrays)
        values = [given[name] for name in wanted]
        outputs, rest = values[: len(self.outputs)], values[len(self.outputs) :]
        return outputs, [_sets(a, b) for a, b in zip(rest[::2], rest[1::2], strict=True)]


def _with_choices(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, list[tuple[str, str]]]:
    """Return a copy of a graph in which the values and indices of every top-k are outputs."""
    import onnx

    probed = copy.deepcopy(proto)
    pairs: list[tuple[str, str]] = []
    for number, node in enumerate(n for n in probed.graph.node if n.op_type == "TopK"):
        for place, kind in enumerate((onnx.TensorProto.FLOAT, onnx.TensorProto.INT64)):
            if len(node.output) <= place or not node.output[place]:
                raise BundleError(f"the graph's top-k number {number} gives no {('values', 'indices')[place]}")
            probed.graph.output.append(onnx.helper.make_tensor_value_info(node.output[place], kind, None))
        pairs.append((node.output[0], node.output[1]))
    return probed, pairs
