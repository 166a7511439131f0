"""Load a published model and use it: numpy and ONNX Runtime, no training framework.

Examples
--------
Score two jets of different lengths, each constituent as (E, px, py, pz) in GeV::

    model = load("bundle")
    outputs = model.predict([jet_one, jet_two])
    outputs["probabilities"]
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .bundle import MODEL, Signature, Tensor, read_signature
from .errors import BundleError, DataError, MissingStepError, ProjectError

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["DataError", "LoadedModel", "ProjectError", "load"]

#: Examples in one pass through the graph: memory stays bounded, whatever is asked.
BATCH = 128
#: A graph network may compare all elements of a set with each other: so many pairs in one pass, if it is more than one.
PAIRS = 2**23


def load(folder: str | Path, *, threads: int = 0) -> LoadedModel:
    """Load a bundle.

    Parameters
    ----------
    folder
        Folder of the bundle.
    threads
        Threads of ONNX Runtime; 0: as many as there are cores.

    Raises
    ------
    MissingStepError
        If there is no bundle.
    BundleError
        If the bundle is damaged, or its graph doesn't fit its signature.
    """
    return LoadedModel(Path(folder), threads=threads)


class LoadedModel:
    """A model from a bundle, ready to score.

    Parameters
    ----------
    folder
        Folder of the bundle.
    threads
        Threads of ONNX Runtime; 0: as many as there are cores.
    """

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        self.folder = folder
        self.signature: Signature = read_signature(folder)
        self.session = session(folder / MODEL, threads=threads)
        names = (
            [value.name for value in self.session.get_inputs()],
            [value.name for value in self.session.get_outputs()],
        )
        wanted = [spec.name for spec in self.signature.inputs], [spec.name for spec in self.signature.outputs]
        if names != wanted:
            raise BundleError(f"{folder.name}/{MODEL}: inputs and outputs are {names}, but its signature says {wanted}")
        self._warned = False

    def predict(self, inputs: Any, *, batch: int = BATCH) -> dict[str, np.ndarray]:
        """Score examples.

        Parameters
        ----------
        inputs
            For a model with one input the values, else a mapping from the names of the inputs to values. Values are a
            padded array with all the axes of the signature, a list of one array for each example (their lengths may
            differ), an Awkward array, or a single example. Units and columns are those of the signature.
        batch
            Examples in one pass.

        Returns
        -------
        outputs
            Arrays by the names of the signature's outputs, the examples along the first axis.

        Raises
        ------
        DataError
            If the values don't fit the signature; the line says where.
        """
        pieces: dict[str, list[np.ndarray]] = {spec.name: [] for spec in self.signature.outputs}
        for piece, _ in self._pieces(inputs, batch, 0):
            for name, values in self.run(piece).items():
                pieces[name].append(values)
        return {spec.name: _joined(spec, pieces[spec.name]) for spec in self.signature.outputs}

    def predict_each(self, inputs: Any, *, batch: int = BATCH, first: int = 0) -> list[dict[str, np.ndarray]]:
        """Score examples; return the outputs of each one by itself, cut to its own length where an output has one.

        The parameters are those of `predict`; ``first`` is the number of the first example in messages.
        """
        results: list[dict[str, np.ndarray]] = []
        element = next(
            (axis for axis in self.signature.inputs[0].axes[1:] if axis in self.signature.inputs[0].dynamic), None
        )
        for piece, lengths in self._pieces(inputs, batch, first):
            outputs = self.run(piece)
            for row, length in enumerate(lengths):
                results.append(
                    {
                        spec.name: outputs[spec.name][row][:length] if element in spec.axes else outputs[spec.name][row]
                        for spec in self.signature.outputs
                    }
                )
        return results

    def run(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the graph on arrays of the right shape and type, without any check."""
        names = [spec.name for spec in self.signature.outputs]
        return dict(zip(names, self.session.run(names, dict(arrays)), strict=True))

    def _pieces(self, inputs: Any, batch: int, first: int) -> Iterator[tuple[dict[str, np.ndarray], list[int]]]:
        """Give padded batches with the true lengths of their examples."""
        specs = self.signature.inputs
        named = inputs if isinstance(inputs, Mapping) else {specs[0].name: inputs}
        if set(named) != {spec.name for spec in specs}:
            raise DataError(
                f"inputs: got {', '.join(map(str, named))}, expected {', '.join(spec.name for spec in specs)}"
            )
        columns = {spec.name: examples(spec, named[spec.name]) for spec in specs}
        counts = {name: len(values) for name, values in columns.items()}
        if len(set(counts.values())) != 1:
            raise DataError(f"inputs: got different numbers of {specs[0].axes[0]}: {counts}")
        sizes = [len(example) if hasattr(example, "__len__") else 1 for example in columns[specs[0].name]]
        for start, stop in _cuts(sizes if specs[0].set_axis else [1] * len(sizes), batch):
            cut = {name: values[start:stop] for name, values in columns.items()}
            lengths = sizes[start:stop]
            piece = {spec.name: pad(spec, cut[spec.name], first=first + start) for spec in specs}
            self._check_ranges(piece)
            yield piece, lengths

    def _check_ranges(self, piece: Mapping[str, np.ndarray]) -> None:
        """Warn once if values lie outside the range that the model was made for."""
        for spec in self.signature.inputs:
            low, high = spec.range
            values = piece[spec.name]
            outside = (low is not None and values.size and values.min() < low) or (
                high is not None and values.size and values.max() > high
            )
            if outside and not self._warned:
                self._warned = True
                warnings.warn(
                    f"{spec.name}: values outside [{low}, {high}] {spec.unit}; are the units right?", stacklevel=4
                )


def _cuts(sizes: Sequence[int], batch: int) -> Iterator[tuple[int, int]]:
    """Cut examples of given sizes into passes of at most ``batch`` examples and `PAIRS` pairs of elements."""
    start, longest = 0, 0
    for number, size in enumerate(sizes):
        longest = max(longest, size)
        count = number + 1 - start
        if count > 1 and (count > batch or count * longest**2 > PAIRS):
            yield start, number
            start, longest = number, size
    if start < len(sizes):
        yield start, len(sizes)


def session(path: Path, *, threads: int = 0) -> onnxruntime.InferenceSession:
    """Open a graph in ONNX Runtime.

    Raises
    ------
    MissingStepError
        If the file is missing.
    BundleError
        If ONNX Runtime can't read it.
    """
    import onnxruntime

    if not path.is_file():
        raise MissingStepError(f"{path.parent.name}/{path.name}", "export")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Sizes change from call to call: what is planned for one would be kept in memory beside the next.
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors have no common public base
        line = " ".join(str(error).split())[:200]
        raise BundleError(f"{path.parent.name}/{path.name}: ONNX Runtime can't load it: {line}") from error


def examples(spec: Tensor, values: Any) -> Sequence[Any]:
    """Return values as one array for each example; an Awkward array is taken apart, a single example is wrapped."""
    if hasattr(values, "layout") and hasattr(values, "to_list"):
        values = _from_awkward(spec, values)
    if isinstance(values, np.ndarray):
        if values.ndim == len(spec.axes) - 1:
            return [values]
        if values.ndim != len(spec.axes) and values.dtype != object:
            raise DataError(f"{spec.name}: got {values.ndim} axes, expected {len(spec.axes)}: {', '.join(spec.axes)}")
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        raise DataError(f"{spec.name}: got {type(values).__name__}, expected a list of {spec.axes[0]}")
    found: Sequence[Any] = values
    return found


def _from_awkward(spec: Tensor, values: Any) -> list[np.ndarray]:
    """Turn an Awkward array of records or of plain numbers into one array for each example."""
    import awkward

    if awkward.fields(values):
        absent = [column for column in spec.columns if column not in awkward.fields(values)]
        if absent:
            found = ", ".join(awkward.fields(values))
            raise DataError(f"{spec.name}: fields {', '.join(absent)} missing; found {found}")
        values = awkward.concatenate([values[column][..., np.newaxis] for column in spec.columns], axis=-1)
    width = spec.sizes[spec.axes[-1]]
    return [np.asarray(awkward.to_numpy(example), dtype=spec.dtype).reshape(-1, width) for example in values]


def pad(spec: Tensor, values: Sequence[Any], *, first: int = 0) -> np.ndarray:
    """Pad examples with zeros to one array.

    Parameters
    ----------
    spec
        Input that they are for.
    values
        One array for each example, of any length along the dynamic axis.
    first
        Number of the first example, for messages.

    Raises
    ------
    DataError
        If an example isn't numbers, has another shape, or holds values that aren't finite.
    """
    rows = [_example(spec, example, number) for number, example in enumerate(values, start=first)]
    shape = [max((row.shape[axis] for row in rows), default=0) for axis in range(len(spec.axes) - 1)]
    padded = np.zeros((len(rows), *shape), dtype=spec.dtype)
    for row, target in zip(rows, padded, strict=True):
        target[tuple(slice(length) for length in row.shape)] = row
    return padded


def _example(spec: Tensor, values: Any, number: int) -> np.ndarray:
    where = f"{spec.name}[{number}]"
    try:
        with np.errstate(over="ignore"):
            row = np.asarray(values, dtype=spec.dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{where}: got something else than numbers, or rows of different lengths; expected {_shape(spec)}"
        ) from error
    inner = spec.axes[1:]
    if row.size == 0 and row.ndim <= len(inner):
        row = row.reshape([0 if axis in spec.dynamic else spec.sizes[axis] for axis in inner])
    fits = row.ndim == len(inner) and all(
        axis in spec.dynamic or length == spec.sizes[axis] for axis, length in zip(inner, row.shape, strict=True)
    )
    if not fits:
        raise DataError(f"{where}: got shape {list(row.shape)}, expected {_shape(spec)}")
    for axis, length in zip(inner, row.shape, strict=True):
        if length > spec.limits.get(axis, length):
            raise DataError(f"{where}: got {length} {axis}, expected at most {spec.limits[axis]}")
    if not np.isfinite(row).all():
        place = [int(index) for index in np.argwhere(~np.isfinite(row))[0]]
        raise DataError(f"{where}{_place(spec, place)}: got {row[tuple(place)]}, expected a finite number")
    _check_positive(spec, row, where)
    _check_codes(spec, row, where)
    return row


def _check_positive(spec: Tensor, row: np.ndarray, where: str) -> None:
    """Refuse what can't be: a particle without energy would silently count as padding."""
    for name in spec.positive:
        column = spec.columns.index(name)
        wrong = (row != 0).any(axis=-1) & (row[..., column] <= 0)
        if wrong.any():
            place = [int(index) for index in np.argwhere(wrong)[0]] + [column]
            raise DataError(f"{where}{_place(spec, place)}: got {row[tuple(place)]}, expected more than 0 {spec.unit}")


def _check_codes(spec: Tensor, row: np.ndarray, where: str) -> None:
    for name, allowed in spec.allowed.items():
        column = spec.columns.index(name)
        wrong = (row != 0).any(axis=-1) & ~np.isin(row[..., column], allowed)
        if wrong.any():
            place = [int(index) for index in np.argwhere(wrong)[0]] + [column]
            known = " or ".join(f"{value:g}" for value in allowed)
            raise DataError(f"{where}{_place(spec, place)}: got {row[tuple(place)]:g}, expected {known}")


def _place(spec: Tensor, place: list[int]) -> str:
    return f"{place} ({spec.columns[place[-1]]})" if spec.columns else str(place)


def _shape(spec: Tensor) -> str:
    lengths = ", ".join(axis if axis in spec.dynamic else str(spec.sizes[axis]) for axis in spec.axes[1:])
    return f"[{lengths}]" + (f": {', '.join(spec.columns)} in {spec.unit}" if spec.columns else "")


def _joined(spec: Tensor, pieces: list[np.ndarray]) -> np.ndarray:
    """Join batches along the first axis; those with fewer elements get zeros at their end."""
    if not pieces:
        return np.zeros([0 if axis in spec.dynamic else spec.sizes[axis] for axis in spec.axes], dtype=spec.dtype)
    shape = [max(piece.shape[axis] for piece in pieces) for axis in range(1, pieces[0].ndim)]
    if all(list(piece.shape[1:]) == shape for piece in pieces):
        return np.concatenate(pieces)
    widths = [
        [(0, 0), *((0, want - have) for want, have in zip(shape, piece.shape[1:], strict=True))] for piece in pieces
    ]
    return np.concatenate([np.pad(piece, width) for piece, width in zip(pieces, widths, strict=True)])
