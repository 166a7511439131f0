"""The verb ``bundle``: publish a third-party ONNX graph as it is, and say what is missing."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import bundle, provenance
from ..bundle import UNKNOWN, TensorSpec
from ..bundle.errors import BundleError, ConfigError, DataError, MissingStepError
from ..bundle.files import new_folder, sha256, write_json, write_text
from ..bundle.session import compute, session
from ..describe.third_party_card import missing
from ..describe.write import describe
from ..export.third_party.about import About, load_about
from ..export.third_party.answers import Arrays, answers, check_counts, read_inputs
from ..export.third_party.graph import copy_graph, described, opset
from ..provenance.configuration import Config
from ..provenance.project import Project
from .precision import SINGLE

__all__ = ["VERB", "run"]

VERB = "bundle"
#: What stands in the place of a recipe's name.
NAME = "onnx"
_REQUESTED = 2

log = logging.getLogger(__name__)


def run(
    project: Project,
    config: Config,
    *,
    onnx: Path,
    examples: Path,
    about: Path | None = None,
    output: Path | None = None,
) -> dict[str, Any]:
    """Write a bundle around an ONNX model without its source.

    Parameters
    ----------
    project, config
        Who publishes it; of the configuration only ``export.tolerance`` counts.
    onnx
        The model.
    examples
        ``.npz`` file with an array for each input, examples along the first axis.
    about
        YAML file with what is known of it.
    output
        Folder to write, by default the project's bundle.

    Raises
    ------
    BundleError
        If the model can't be published: the line says why.
    DataError
        If the examples don't fit it.
    ConfigError
        If what the user says of it doesn't.
    """
    if config.export.precision != SINGLE:
        raise ConfigError(
            f"export.precision: got {config.export.precision}, expected {SINGLE}: the graph of others is published as "
            "it is; whoever has the network can export it at low precision"
        )
    known = load_about(about)
    if not (project.root / "LICENSE").is_file():
        raise MissingStepError(project.root / "LICENSE", "git checkout LICENSE")
    target = output or project.bundle
    if output is not None and output.exists() and not (output / bundle.SUMS).is_file():
        raise DataError(f"--output {output}: it exists and is no bundle; give a new folder, or an earlier bundle")
    with new_folder(target) as folder:
        signature = _fill(project, config, _Given(onnx, examples, known), folder)
    if known.license and known.license != project.licenses.weights:
        log.warning(
            "the graph came under %s, and project.yaml publishes it under %s: may you?",
            known.license,
            project.licenses.weights,
        )
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    lines = [f"{target.name}/ written: {size / 2**20:.1f} MiB, {signature.title}", *missing(bool(known.metrics))]
    return {"headline": lines, "folder": str(target), "bytes": size, "missing": list(missing(bool(known.metrics)))}


@dataclass(frozen=True)
class _Given:
    """What the user gave."""

    onnx: Path
    examples: Path
    known: About


def _fill(project: Project, config: Config, given: _Given, folder: Path) -> bundle.Signature:
    """Write every file of the bundle, the checksums last."""
    known = given.known
    copy_graph(given.onnx, folder / bundle.MODEL)
    inputs, outputs, arrays = _tensors(given)
    signature = bundle.Signature(
        foreign=True,
        model=NAME,
        title=known.title or given.onnx.name,
        summary=known.summary or UNKNOWN,
        version=project.version,
        inputs=inputs,
        outputs=outputs,
        opset=opset(folder / bundle.MODEL),
    )
    write_json(folder / bundle.SIGNATURE, signature.model_dump(mode="json"))
    write_json(folder / "schema.json", bundle.schema())
    _store(folder, arrays, config.export.tolerance)
    write_json(folder / "metrics.json", _metrics(known))
    shutil.copyfile(project.root / "LICENSE", folder / "LICENSE")
    # By their names only: where they lie on this machine is nobody's business.
    sums = {path.name: sha256(path) for path in (given.onnx, given.examples)}
    stated = known.model_dump(mode="json", exclude_none=True)
    provenance.record(folder, project, None, VERB, inputs=sums, graph=given.onnx.name, about=stated)
    describe(project, folder)
    bundle.write_sums(folder)
    return signature


def _tensors(given: _Given) -> tuple[list[TensorSpec], list[TensorSpec], Arrays]:
    """Describe inputs and outputs, the outputs by trying the examples; return the examples too."""
    opened = session(given.onnx, threads=1)  # not the copy, whose name would tell the user nothing
    inputs = described(opened.get_inputs(), given.known.inputs)
    arrays = read_inputs(given.examples, inputs)
    # An axis of one entry has room for one example at a time.
    room = 1 if any(spec.axes[0] not in spec.dynamic for spec in inputs) else None
    tried = {name: values[:room] for name, values in arrays.items()}
    names = [value.name for value in opened.get_outputs()]
    try:
        raw = compute(opened, names, tried)
    except BundleError as error:
        raise BundleError(f"{given.onnx.name}: {error}") from error
    check_counts(raw, len(next(iter(tried.values()))))
    ranks = {name: values.ndim for name, values in raw.items()}
    outputs = described(opened.get_outputs(), given.known.outputs, first=inputs[0].axes[0], ranks=ranks)
    return inputs, outputs, arrays


def _store(folder: Path, arrays: Arrays, tolerance: float) -> None:
    """Store the examples, what the graph answers, and a request for the server."""
    from ..bundle.runtime import load

    bundle.write_arrays(folder / "examples/inputs.npz", arrays)
    outputs, doubtful = answers(load(folder, threads=1), arrays, tolerance)
    bundle.write_arrays(folder / "examples/outputs.npz", outputs)
    count = len(next(iter(arrays.values())))
    stored = bundle.Examples(count=count, tolerance=tolerance, near_ties=doubtful)
    write_json(folder / bundle.EXAMPLES, stored.model_dump(mode="json"))
    request = [{name: values[n].tolist() for name, values in arrays.items()} for n in range(min(_REQUESTED, count))]
    write_text(folder / bundle.REQUEST, json.dumps({"inputs": request}))


def _metrics(known: About) -> dict[str, Any]:
    """Return the figures that the user states; none is measured here."""
    headline = [f"{name} {value:g} (told, not measured here)" for name, value in known.metrics.items()]
    source = known.measured_on or UNKNOWN
    return {"metrics": known.metrics, "headline": headline or ["It wasn't evaluated."], "source": source}
