"""Score the examples of a file, and write one row for each: every output by its column, and why if that is wanted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .answer import OUTSIDE
from .columns import Columns
from .errors import DataError, ExplainError
from .extras import need
from .readers import Examples, OwnFiles, read_examples
from .runtime import Judge, LoadedModel
from .signature import UNEXPLAINED, TensorSpec
from .stored import RELEVANCE
from .writers import Write, check_suffix, writer

__all__ = ["CHUNK", "check_wanted", "score_file", "told", "write_scores"]

#: Examples in memory at a time.
CHUNK = 1024
#: Axes of what a cell of a table can hold: the example, its elements, its columns.
_AXES = 3

log = logging.getLogger(__name__)


def score_file(
    model: LoadedModel,
    file: Path,
    output: Path,
    *,
    explain: bool = False,
    own: OwnFiles | None = None,
    options: Mapping[str, Any] | None = None,
    columns: Columns | None = None,
) -> dict[str, Any]:
    """Score the examples of a file; write CSV, Parquet or HDF5, by the suffix of ``output``.

    One row for each example, in the order of the file: every output by its column; with ``explain`` also what is
    explained, and the relevance of every feature as a list over the elements of the example. The last column,
    ``outside``, says what of the example the model wasn't made for; one line of the log says it of the whole file.

    Parameters
    ----------
    model
        The model.
    file
        File with raw inputs.
    output
        File to write; it appears at the end, whole or not at all.
    explain
        Whether relevances are wanted too.
    own, options
        What reads files of the model's published layout, if its recipe is at hand, and the options for it.
    columns
        Which columns of the file are what, for files of other names; None: those of the inputs or the layout.

    Returns
    -------
    result
        ``headline``, ``examples`` (how many), ``outside`` (how many of them), ``output`` and ``explained``.

    Raises
    ------
    DataError
        If the file can't be read, or holds what no example can have; the line says where.
    ExplainError
        If relevances are wanted of a bundle without an explained graph.
    """
    check_wanted(model, file, output, explain=explain)
    with writer(output) as write:
        examples = read_examples(file, model.signature, CHUNK, own=own, options=options, columns=columns)
        count, judge = write_scores(model, examples, write, explain=explain)
    return told(model, output, count, judge.bad, explain=explain)


def check_wanted(model: LoadedModel, file: Path, output: Path, *, explain: bool) -> None:
    """Refuse what can't be done before anything is scored; the errors of `score_file`."""
    signature = model.signature
    need(f"writing {output.suffix}", check_suffix(output), "files")
    if output.exists() and file.exists() and output.samefile(file):
        raise DataError(f"{output}: input and output are the same file; choose another --output")
    if explain and signature.explained is None:
        why = "it was published without an explained graph: run `export` again"
        raise ExplainError(f"{model.folder.name}: {why if signature.explainable else UNEXPLAINED}")
    for spec in signature.outputs:
        if len(spec.axes) > _AXES:
            raise DataError(f"{spec.name} has {len(spec.axes)} axes, a table has room for {_AXES}: use load().predict")


def write_scores(
    model: LoadedModel, chunks: Iterable[Examples], write: Write, *, explain: bool, first: int = 0
) -> tuple[int, Judge]:
    """Score examples and write a row for each; return their number, and what is outside, which the log says too.

    Parameters
    ----------
    model, explain
        As for `score_file`.
    chunks
        Examples, some at a time.
    write
        Takes the rows.
    first
        Number of the first example.
    """
    count, counted = first, model.signature.inputs[0].axes[0]
    judge = Judge(model.signature)
    for examples in chunks:
        given: dict[str, Sequence[np.ndarray]] = {name: list(values) for name, values in examples.items()}
        write(_columns(model, given, count, judge, explain=explain))
        count += len(examples[model.signature.inputs[0].name])
        log.info("%d %s scored", count - first, counted)
    if judge.line:
        log.warning("%s", judge.line)
    return count - first, judge


def told(model: LoadedModel, output: Path, count: int, outside: int, *, explain: bool) -> dict[str, Any]:
    """Return the result of scoring a file: how many examples it has, and how many of them lie outside."""
    signature = model.signature
    line = f"{count} {signature.inputs[0].axes[0]} scored with {signature.title} {signature.version}: {output}"
    return {"headline": [line], "examples": count, "outside": outside, "output": str(output), "explained": explain}


def _columns(
    model: LoadedModel, examples: dict[str, Sequence[np.ndarray]], first: int, judge: Judge, *, explain: bool
) -> dict[str, Any]:
    """Return the columns of some rows."""
    scored = (model.explain if explain else model.predict_each)(examples, first=first, judge=judge)
    columns: dict[str, Any] = {"index": np.arange(first, first + len(scored))}
    for spec in model.signature.outputs:
        columns |= _cells(spec, spec.name, [outputs[spec.name] for outputs in scored])
    if explain:
        columns["explained"] = np.array([outputs["explained"] for outputs in scored])
        columns |= _cells(model.signature.relevant, RELEVANCE, [outputs[RELEVANCE] for outputs in scored])
    columns[OUTSIDE] = ["; ".join(outputs.outside) for outputs in scored]
    judge.forget()
    return columns


def _cells(spec: TensorSpec, name: str, values: Sequence[np.ndarray]) -> dict[str, Any]:
    """Return a column for every entry along the last axis: numbers, or a list for each example."""
    if len(spec.axes) == 1:
        return {name: np.array(values)}
    last = spec.axes[-1]
    if last not in spec.sizes:
        raise DataError(f"{name}: its axis {last} has any length, a table has columns: use load().predict")
    listed = len(spec.axes) == _AXES
    columns = {}
    for number in range(spec.sizes[last]):
        cells = [value[..., number] for value in values]
        columns[f"{name}_{spec.columns[number] if spec.columns else number}"] = cells if listed else np.array(cells)
    return columns
