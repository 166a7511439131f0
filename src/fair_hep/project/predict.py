"""The verb ``predict``: score the examples of a file with the bundle's model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import bundle
from ..bundle.errors import DataError, ExplainError
from ..bundle.readers import need, read_examples
from ..bundle.runtime import LoadedModel, load
from ..bundle.writers import check_suffix, writer
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project

__all__ = ["run"]

#: Examples in memory at a time.
CHUNK = 1024
RELEVANCE = "relevance"

log = logging.getLogger(__name__)


def run(project: Project, config: Config | None, *, file: Path, output: Path, explain: bool = False) -> dict[str, Any]:
    """Score the examples of an HDF5, Parquet or ROOT file; write CSV, Parquet or HDF5, by the suffix of ``output``.

    One row for each example, in the order of the file: every output by its column; with ``explain`` also what is
    explained, and the relevance of every feature as a list over the elements of the example.

    Parameters
    ----------
    project, config
        Whose bundle it is; of the configuration, only ``data.options`` say how a file is read.
    file
        File with raw inputs.
    output
        File to write; it appears at the end, whole or not at all.
    explain
        Whether relevances are wanted too.

    Raises
    ------
    MissingStepError
        If there is no bundle.
    DataError
        If the file can't be read, or holds what no example can have; the line says where.
    ExplainError
        If relevances are wanted of a bundle without an explained graph.
    """
    need(f"writing {output.suffix}", check_suffix(output))
    if output.exists() and file.exists() and output.samefile(file):
        raise DataError(f"{output}: input and output are the same file; choose another --output")
    model = load(project.bundle)
    signature = model.signature
    if signature.third_party:
        raise DataError(
            f"{project.bundle.name} holds an ONNX model of others, and no reader for files of its inputs: use "
            "runtime.load(...).predict on arrays, or the server"
        )
    if explain and signature.explained is None:
        raise ExplainError(f"{project.bundle.name} was published without an explained graph: run `export` again")
    count = 0
    with writer(output) as write:
        options = config.data.options if config else {}
        for examples in read_examples(file, signature, CHUNK, own=recipe(project), options=options):
            write(_columns(model, {name: list(values) for name, values in examples.items()}, count, explain=explain))
            count += len(examples[signature.inputs[0].name])
            log.info("%d %s scored", count, signature.inputs[0].axes[0])
    line = f"{count} {signature.inputs[0].axes[0]} scored with {project.title} {signature.version}: {output}"
    return {"headline": [line], "examples": count, "output": str(output), "explained": explain}


def _columns(
    model: LoadedModel, examples: dict[str, Sequence[np.ndarray]], first: int, *, explain: bool
) -> dict[str, Any]:
    """Return the columns of some rows."""
    scored = (model.explain if explain else model.predict_each)(examples, first=first)
    columns: dict[str, Any] = {"index": np.arange(first, first + len(scored))}
    for spec in model.signature.outputs:
        columns |= _cells(spec, spec.name, [outputs[spec.name] for outputs in scored])
    if explain:
        columns["explained"] = np.array([outputs["explained"] for outputs in scored])
        columns |= _cells(model.signature.relevant, RELEVANCE, [outputs[RELEVANCE] for outputs in scored])
    return columns


def _cells(spec: bundle.TensorSpec, name: str, values: Sequence[np.ndarray]) -> dict[str, Any]:
    """Return a column for every entry along the last axis: numbers, or a list for each example."""
    ragged = any(axis in spec.dynamic for axis in spec.axes[1:])
    columns = {}
    for number in range(spec.sizes[spec.axes[-1]]):
        cells = [value[..., number] for value in values]
        columns[f"{name}_{_label(spec, number)}"] = cells if ragged else np.array(cells)
    return columns


def _label(spec: bundle.TensorSpec, number: int) -> str:
    return spec.columns[number] if spec.columns else str(number)
