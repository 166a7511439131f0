"""The verb ``export``: write the bundle, from what training, evaluation and explanation left behind."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from .. import bundle, provenance
from ..bundle.errors import BundleError, ExplainError, MissingStepError
from ..bundle.files import new_folder, read_json, sha256, write_json, write_text
from ..bundle.inputs import cut
from ..describe.card_details import CONFIGURATION
from ..describe.graph_properties import graph_properties
from ..describe.origin import Origin
from ..describe.write import describe
from ..models.contract import SPLITS
from ..models.explaining import rules_of
from ..models.recipe import recipe
from ..provenance.about import About
from ..provenance.configuration import Config
from ..provenance.project import Project
from ..tagging.cuts import published_cuts
from .data import store_folder
from .temperature import Temperature, find_temperature

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from ..bundle.domain import Trained
    from ..models.contract import Model

__all__ = ["run"]

FIGURES = (".png", ".svg", ".pdf")
REQUESTED = 2
VERBS = ("train", "evaluate", "explain")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Source:
    """Everything that goes into a bundle."""

    project: Project
    config: Config
    model: Model
    network: nn.Module
    arrays: Mapping[str, np.ndarray]
    metrics: Mapping[str, Any]
    temperature: Temperature

    def folder(self, verb: str) -> Path:
        return self.project.run(self.config.name, verb)

    @property
    def imported(self) -> bool:
        """Whether the weights were trained elsewhere."""
        return "about" in provenance.require(self.folder("train"), "train")

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps that the bundle tells of."""
        return VERBS if "explanation" in self.metrics else VERBS[:2]

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that were used: an imported network learned from none of ours."""
        if not self.imported:
            return SPLITS
        return ("val", "test") if "explanation" in self.metrics else ("test",)


def run(project: Project, config: Config) -> dict[str, Any]:
    """Export the trained network into ``bundle/``.

    Raises
    ------
    MissingStepError
        If training or evaluation is missing, or a file that belongs to every project.
    BundleError
        If the evaluation is of other weights, or ONNX Runtime doesn't agree with PyTorch.
    ModelError
        If the network doesn't export.
    ExplainError
        If explanations are asked for that single precision can't give.
    """
    from ..pruning.cost import mean_cost
    from ..tracing.graph import graph_inputs
    from .train import load_network

    if config.explain.bias == "exclude":
        raise ExplainError(
            "explain.bias exclude is for comparison in float64, and a bundle's graph explains in float32: "
            "export with explain.bias=absorb"
        )
    network = load_network(project, config)
    model = recipe(project)
    temperature = find_temperature(project, config, model, network)
    metrics = _metrics(project, config)
    if temperature.record:
        metrics["temperature"] = dict(temperature.record)
        if "working_points" in metrics:
            metrics["working_points"] = published_cuts(metrics["working_points"], temperature.value)
    arrays = _examples(project, config)
    metrics["cost"] = mean_cost(network, graph_inputs(model), arrays)._asdict()
    source = _Source(project, config, model, network, arrays, metrics, temperature)
    if not (project.root / "LICENSE").is_file():
        raise MissingStepError(project.root / "LICENSE", "git checkout LICENSE")
    with new_folder(project.bundle) as temporary:
        parity = _fill(source, temporary)
    size = sum(path.stat().st_size for path in project.bundle.rglob("*") if path.is_file())
    explained = [row for row in parity if row["case"].startswith("explained")]
    plain = [row for row in parity if row not in explained]
    folder = str(project.bundle.relative_to(project.root))
    return {
        "headline": [
            f"{folder}/ written: {size / 2**20:.1f} MiB",
            f"ONNX Runtime agrees with PyTorch within {_largest(plain):.1g} at {len(plain)} shapes; "
            f"{_flipped(plain)} answers hang on another choice of neighbours",
            f"relevances agree within {_largest(explained):.1g} of the largest at {len(explained)} shapes; "
            f"{_flipped(explained)} examples hang on rounding",
            *temperature.lines,
        ],
        "folder": folder,
        "bytes": size,
        "parity": parity,
    }


def _largest(parity: list[dict[str, Any]]) -> float:
    return max(float(row["largest"]) for row in parity)


def _flipped(parity: list[dict[str, Any]]) -> int:
    return sum(int(row["flipped"]) for row in parity)


def _fill(source: _Source, folder: Path) -> list[dict[str, Any]]:
    """Write every file of the bundle, the checksums last."""
    project, config = source.project, source.config
    signature = _signature(source)
    write_json(folder / "schema.json", bundle.schema())
    shutil.copyfile(source.folder("train") / bundle.WEIGHTS, folder / bundle.WEIGHTS)
    parity = _graph_and_examples(source, signature, folder)
    signature, explained = _explained_graph(source, signature, folder)
    parity += explained
    write_json(folder / bundle.SIGNATURE, signature.model_dump(mode="json"))
    # Both sides of every row divide by it.
    parity = [{**row, "temperature": source.temperature.value} for row in parity]
    write_json(folder / "parity.json", parity)
    write_json(folder / "metrics.json", source.metrics)
    shutil.copyfile(project.root / "LICENSE", folder / "LICENSE")
    unused = {"train"} if source.imported else set()
    _copy_runs(source, folder, unused)
    files = [source.folder("train") / bundle.WEIGHTS, source.folder("evaluate") / "outputs.npz"]
    public = config.model_copy(update=_public(config))
    sums = provenance.checksums(project.root, *files)
    provenance.record(folder, project, public, "export", inputs=sums, without=tuple(unused))
    write_text(folder / CONFIGURATION, _configuration(public, unused))
    describe(project, folder)
    bundle.write_sums(folder)
    return parity


def _graph_and_examples(source: _Source, signature: bundle.Signature, folder: Path) -> list[dict[str, Any]]:
    """Write the graph, compare it with PyTorch, and store PyTorch's answers on the examples."""
    from ..export.explained_parity import unsteady
    from ..export.parity import compare_shapes, forward, near_ties
    from ..export.relevance import relevances
    from ..tracing.graph import Published, export_graph

    config = source.config.export
    path = folder / bundle.MODEL
    trace = source.model.example(4, source.config.seed)
    how = _relevance(source, signature)
    metadata = _metadata(source, how)
    warm = source.temperature.value
    export_graph(source.model, source.network, trace, path, opset=config.opset, metadata=metadata, temperature=warm)
    published = Published(source.model, source.network, warm).eval()
    found = compare_shapes(published, path, signature.inputs, source.arrays, config.tolerance)
    outputs, _ = forward(published, source.arrays)
    names = [spec.name for spec in signature.outputs]
    bundle.write_arrays(folder / "examples/inputs.npz", source.arrays)
    bundle.write_arrays(folder / "examples/outputs.npz", dict(zip(names, outputs, strict=True)))
    values, _ = relevances(source.network, signature, source.arrays, how)
    bundle.write_arrays(folder / "examples/relevance.npz", {"relevance": values})
    near = near_ties(published, source.arrays)
    examples = bundle.Examples(
        count=len(values),
        tolerance=config.tolerance,
        near_ties=near,
        relevance=how,
        unsteady=unsteady(source.model, source.network, how, source.arrays),
    )
    write_json(folder / bundle.EXAMPLES, examples.model_dump(mode="json"))
    write_text(folder / bundle.REQUEST, _request(signature, source.arrays))
    return [parity.as_dict() for parity in found]


def _explained_graph(
    source: _Source, signature: bundle.Signature, folder: Path
) -> tuple[bundle.Signature, list[dict[str, Any]]]:
    """Write the explained graph, compare it with the engine, and describe it in the signature."""
    from ..export.explained_parity import compare_explained
    from ..tracing.explained import explained_inputs, export_explained

    how = _relevance(source, signature)
    path = folder / bundle.EXPLAINED
    outputs = export_explained(
        source.model,
        source.network,
        path,
        how,
        opset=source.config.export.opset,
        metadata=_metadata(source, how),
    )
    described = bundle.Explained(
        inputs=list(explained_inputs(source.model)),
        outputs=list(outputs),
        how=how,
    )
    signature = signature.model_copy(update={"explained": described})
    found = compare_explained(source.model, source.network, path, source.arrays, inputs=signature.inputs, how=how)
    return signature, [parity.as_dict() for parity in found]


def _request(signature: bundle.Signature, arrays: Mapping[str, np.ndarray]) -> str:
    """Return the first examples as a server is asked for them, each cut to its own length."""
    count = min(REQUESTED, len(arrays[signature.inputs[0].name]))
    inputs = [
        {spec.name: cut(spec, arrays[spec.name][number]).tolist() for spec in signature.inputs}
        for number in range(count)
    ]
    return json.dumps({"inputs": inputs})


def _relevance(source: _Source, signature: bundle.Signature) -> bundle.Relevance:
    from ..export.relevance import RELEVANCE_TOLERANCE

    config = rules_of(source.model, source.config.explain)
    return bundle.Relevance(
        composite=config.composite,
        bias=config.bias,
        epsilon=config.epsilon,
        target=signature.target,
        tolerance=RELEVANCE_TOLERANCE,
        temperature=source.temperature.value,
    )


def _signature(source: _Source) -> bundle.Signature:
    from ..tracing.graph import graph_inputs, graph_outputs

    model = source.model
    return bundle.Signature(
        model=model.name,
        title=model.title,
        summary=model.summary,
        version=source.project.version,
        hyperparameters=dict(source.config.model),
        inputs=list(graph_inputs(model)),
        outputs=list(graph_outputs(model)),
        features=model.features,
        target=rules_of(model, source.config.explain).target,
        opset=source.config.export.opset,
        domain=_domain(source),
        temperature=source.temperature.value,
    )


def _domain(source: _Source) -> list[Trained]:
    """Return where the network was trained; of imported weights that isn't known."""
    from ..data.batches import first
    from ..data.store import Store
    from ..export.domain import training_domain

    if source.imported:
        return []
    config = source.config
    folder = store_folder(source.project, config) / "train"
    provenance.require(folder, "data", source.project.root)
    dataset = first(source.model.dataset(Store(folder), **config.data.options), config.train.limit)
    return training_domain(source.model, dataset)


def _examples(project: Project, config: Config) -> dict[str, np.ndarray]:
    """Take example inputs from the whole test split, evenly."""
    import numpy as np

    from ..data.store import Store
    from ..tracing.graph import graph_inputs

    folder = store_folder(project, config) / "test"
    provenance.require(folder, "data", project.root)
    model = recipe(project)
    dataset: Any = model.dataset(Store(folder), **config.data.options)
    size = len(dataset)
    chosen = np.unique(np.linspace(0, size - 1, min(size, config.export.examples)).astype(int))
    batch = dataset.__getitems__(chosen.tolist())
    return {spec.name: np.ascontiguousarray(batch[spec.name].numpy()) for spec in graph_inputs(model)}


def _metrics(project: Project, config: Config) -> dict[str, Any]:
    """Return what evaluation and explanation found, and which test set it was."""
    evaluation, explanation = project.run(config.name, "evaluate"), project.run(config.name, "explain")
    made = provenance.require(evaluation, "evaluate", project.root)
    weights = project.run(config.name, "train") / bundle.WEIGHTS
    if sha256(weights) not in made["inputs"].values():
        raise BundleError(f"{evaluation.relative_to(project.root)} is of other weights: run `evaluate` again")
    metrics = {**read_json(evaluation / "metrics.json"), "test_set": _test_set(project, config, made)}
    explained = explanation / provenance.FILE
    if not explained.is_file():
        log.info("%s has no explanation: run `explain` first to put it into the bundle", explanation.parent.name)
    elif sha256(weights) not in read_json(explained)["inputs"].values():
        log.warning("%s is of other weights and left out: run `explain` again", explanation.relative_to(project.root))
    else:
        metrics["explanation"] = read_json(explanation / "study.json")
    return metrics


def _test_set(project: Project, config: Config, made: Mapping[str, Any]) -> dict[str, Any]:
    """Identify the test set by the checksums of its raw files and the number of examples used."""
    import hashlib

    store = store_folder(project, config) / "test"
    files = provenance.require(store, "data", project.root)["inputs"]
    if sha256(store / "store.json") not in made["inputs"].values():
        raise BundleError("the test data changed since `evaluate`: run `evaluate` again")
    count = made["result"]["examples"]
    text = json.dumps([sorted(files.values()), count])
    named = {Path(name).name: checksum for name, checksum in files.items()}
    return {"examples": count, "files": named, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _metadata(source: _Source, how: bundle.Relevance) -> dict[str, str]:
    """Return what the graphs say about themselves."""
    from ..tracing.graph import graph_inputs

    project, model = source.project, source.model
    stores = store_folder(project, source.config)
    raw = {split: provenance.require(stores / split, "data", project.root)["inputs"] for split in source.splits}
    return graph_properties(
        project,
        model,
        graph_inputs(model),
        commit=provenance.git_commit(project.root),
        weights=sha256(source.folder("train") / bundle.WEIGHTS),
        data={split: {Path(name).name: checksum for name, checksum in files.items()} for split, files in raw.items()},
        learned=_learned(source),
        explanation=how.model_dump_json(),
    )


def _learned(source: _Source) -> Origin:
    """Return which data the network learned from: those that were converted here, or what is told of others."""
    made = provenance.require(source.folder("train"), "train")
    if "about" in made:
        about = About.model_validate(made["about"])
        return Origin(source="elsewhere", title=about.dataset, doi=about.dataset_doi)
    stores = store_folder(source.project, source.config)
    return Origin.of(source.project, provenance.require(stores / "train", "data", source.project.root))


def _configuration(config: Config, unused: set[str]) -> str:
    values = config.model_dump(mode="json", by_alias=True, exclude=unused)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _copy_runs(source: _Source, folder: Path, unused: set[str]) -> None:
    """Copy the figures and the provenance of every step, without the paths of this machine and what made nothing."""
    for verb in source.steps:
        made = source.folder(verb)
        for path in sorted(made.rglob("*")) if verb != "train" else []:
            if path.suffix in FIGURES and path.is_file():
                target = folder / "figures" / verb / path.relative_to(made)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        if (made / provenance.FILE).is_file():
            values = read_json(made / provenance.FILE)
            values["configuration"] = {k: v for k, v in values["configuration"].items() if k not in unused}
            write_json(folder / "provenance" / f"{values['command']}.json", _anonymous(values))
    for split in source.splits:
        values = provenance.require(store_folder(source.project, source.config) / split, "data", source.project.root)
        values["configuration"] = {k: v for k, v in values["configuration"].items() if k not in unused}
        write_json(folder / "provenance" / f"data-{split}.json", _anonymous(values))


def _anonymous(value: Any) -> Any:
    """Return JSON values without absolute paths, nor the address of a tracking server (it may hold a password)."""
    if isinstance(value, dict):
        return {key: None if key == "tracking_uri" else _anonymous(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_anonymous(inner) for inner in value]
    if isinstance(value, str) and Path(value).is_absolute():
        return Path(value).name
    return value


def _public(config: Config) -> dict[str, Any]:
    folder = config.data.folder
    return {
        "data": config.data.model_copy(update={"folder": Path(folder.name) if folder else None}),
        "register_": config.register_.model_copy(update={"tracking_uri": None}),
    }
