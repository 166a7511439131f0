"""The verb ``predict``: score the examples of a file with the bundle's model."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import bundle, models
from .bundle import Relevance, Signature
from .config import Config
from .errors import DataError, ExplainError
from .project import Project
from .readers import need, read_examples
from .runtime import LoadedModel, load, pad
from .writers import check_suffix, writer

__all__ = ["run"]

#: Examples in memory at a time.
CHUNK = 1024
Explain = Callable[[dict[str, Sequence[np.ndarray]]], dict[str, Any]]

log = logging.getLogger(__name__)


def run(project: Project, config: Config | None, *, file: Path, output: Path, explain: bool = False) -> dict[str, Any]:
    """Score the examples of an HDF5, Parquet or ROOT file; write CSV, Parquet or HDF5, by the suffix of ``output``.

    One row for each example, in the order of the file: every output by its column; with ``explain`` also what is
    explained, and the relevance of every feature as a list over the elements of the example.

    Parameters
    ----------
    project, config
        Whose bundle it is; the configuration isn't needed.
    file
        File with raw inputs.
    output
        File to write; it appears at the end, whole or not at all.
    explain
        Whether relevances are wanted too; they need PyTorch.

    Raises
    ------
    MissingStepError
        If there is no bundle.
    DataError
        If the file can't be read, or holds what no example can have; the line says where.
    ExplainError
        If relevances are wanted without PyTorch.
    """
    need(f"writing {output.suffix}", check_suffix(output))
    if output.exists() and file.exists() and output.samefile(file):
        raise DataError(f"{output}: input and output are the same file; choose another --output")
    model = load(project.bundle)
    signature = model.signature
    explainer = _explainer(project.bundle, signature) if explain else None
    count = 0
    with writer(output) as write:
        for examples in read_examples(file, signature, models.get(signature.model), CHUNK):
            write(_columns(model, {name: list(values) for name, values in examples.items()}, count, explainer))
            count += len(examples[signature.inputs[0].name])
            log.info("%d %s scored", count, signature.inputs[0].axes[0])
    line = f"{count} {signature.inputs[0].axes[0]} scored with {project.title} {signature.version}: {output}"
    return {"headline": [line], "examples": count, "output": str(output), "explained": explain}


def _columns(
    model: LoadedModel, examples: dict[str, Sequence[np.ndarray]], first: int, explainer: Explain | None
) -> dict[str, Any]:
    """Return the columns of some rows."""
    scored = model.predict_each(examples, first=first)
    columns: dict[str, Any] = {"index": np.arange(first, first + len(scored))}
    for spec in model.signature.outputs:
        values = [outputs[spec.name] for outputs in scored]
        ragged = any(axis in spec.dynamic for axis in spec.axes[1:])
        for number in range(spec.sizes[spec.axes[-1]]):
            cells = [value[..., number] for value in values]
            columns[f"{spec.name}_{_label(spec, number)}"] = cells if ragged else np.array(cells)
    if explainer is not None:
        columns |= explainer(examples)
    return columns


def _label(spec: bundle.Tensor, number: int) -> str:
    return spec.columns[number] if spec.columns else str(number)


def _explainer(folder: Path, signature: Signature) -> Explain:
    """Return a function that explains examples with the network of the bundle and the rules it was published with."""
    if importlib.util.find_spec("torch") is None:
        raise ExplainError("--explain needs PyTorch: install the project with its extra [train]")
    from .relevance import relevances
    from .verify import load_network

    network = load_network(folder, signature)
    how = bundle.read_examples(folder).relevance
    if how is None:
        raise ExplainError(f"{folder.name} was published without an explanation: run `export` again")
    rules: Relevance = how
    names = [f"relevance_{column}" for column in signature.features.columns]

    def explain(examples: dict[str, Sequence[np.ndarray]]) -> dict[str, Any]:
        arrays = {spec.name: pad(spec, examples[spec.name]) for spec in signature.inputs}
        values, explained = relevances(network, signature, arrays, rules)
        found: dict[str, Any] = {"explained": explained, **{name: [] for name in names}}
        for row, example in zip(values, examples[signature.inputs[0].name], strict=True):
            for number, name in enumerate(names):
                found[name].append(row[: len(example), number])
        return found

    return explain
