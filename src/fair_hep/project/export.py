"""The verb ``export``: write the bundle, from what training, evaluation and explanation left behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import bundle, provenance
from ..bundle.errors import ExplainError, MissingStepError
from ..bundle.files import new_file, new_folder, write_json, write_text
from ..bundle.inputs import cut
from ..describe.card_details import CONFIGURATION
from ..describe.precision import precision_lines
from ..describe.write import describe
from ..models.explaining import rules_of
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project
from .data import store_folder
from .evidence import Source, configuration_text, copy_runs, metadata, metrics_of, public_part, warmed
from .lowered import judged, lowered, sized
from .precision import SINGLE
from .temperature import find_temperature

if TYPE_CHECKING:
    import numpy as np

    from ..bundle.domain import Trained

__all__ = ["run"]

REQUESTED = 2


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
    arrays = _examples(project, config)
    metrics = metrics_of(project, config) | {"cost": mean_cost(network, graph_inputs(model), arrays)._asdict()}
    source = Source(
        project=project,
        config=config,
        model=model,
        network=network,
        arrays=arrays,
        metrics=warmed(metrics, temperature),
        temperature=temperature,
        tolerance=config.export.tolerance,
    )
    if not (project.root / "LICENSE").is_file():
        raise MissingStepError(project.root / "LICENSE", "git checkout LICENSE")
    if config.export.precision != SINGLE:
        source = lowered(source)
    with new_folder(project.bundle) as temporary:
        source, parity = _fill(source, temporary)
    size = sum(path.stat().st_size for path in project.bundle.rglob("*") if path.is_file())
    explained = [row for row in parity if row["case"].startswith("explained")]
    plain = [row for row in parity if row not in explained and row.get("asked", True)]
    folder = str(project.bundle.relative_to(project.root))
    return {
        "headline": [
            f"{folder}/ written: {size / 2**20:.1f} MiB",
            f"ONNX Runtime agrees with PyTorch within {_largest(plain):.1g} at {len(plain)} shapes; "
            f"{_flipped(plain)} answers hang on another choice of neighbours",
            f"relevances agree within {_largest(explained):.1g} of the largest at {len(explained)} shapes; "
            f"{_flipped(explained)} examples hang on rounding",
            *temperature.lines,
            *precision_lines(source.metrics.get("precision")),
        ],
        "folder": folder,
        "bytes": size,
        "parity": parity,
    }


def _largest(parity: list[dict[str, Any]]) -> float:
    return max(float(row["largest"]) for row in parity)


def _flipped(parity: list[dict[str, Any]]) -> int:
    return sum(int(row["flipped"]) for row in parity)


def _fill(source: Source, folder: Path) -> tuple[Source, list[dict[str, Any]]]:
    """Write every file of the bundle, the checksums last; return the source with all that was measured of it."""
    project, config = source.project, source.config
    signature = _signature(source)
    write_json(folder / "schema.json", bundle.schema())
    _weights(source, folder)
    _graph(source, signature, folder)
    if source.lowered:
        source = judged(source, signature, _relevance(source, signature), folder)
    parity = _compared_and_stored(source, signature, folder)
    signature, explained, size = _explained_graph(source, signature, folder)
    parity += explained
    if source.lowered:
        source = sized(source, folder, size)
    write_json(folder / bundle.SIGNATURE, signature.model_dump(mode="json"))
    # Both sides of every row divide by it.
    parity = [{**row, "temperature": source.temperature.value} for row in parity]
    write_json(folder / "parity.json", parity)
    write_json(folder / "metrics.json", source.metrics)
    shutil.copyfile(project.root / "LICENSE", folder / "LICENSE")
    unused = {"train"} if source.imported else set()
    copy_runs(source, folder, unused)
    files = [source.folder("train") / bundle.WEIGHTS, source.folder("evaluate") / "outputs.npz"]
    files += [source.folder("evaluate") / bundle.WEIGHTS] if source.lowered else []
    public = config.model_copy(update=public_part(config))
    sums = provenance.checksums(project.root, *files)
    provenance.record(folder, project, public, "export", inputs=sums, without=tuple(unused))
    write_text(folder / CONFIGURATION, configuration_text(public, unused))
    describe(project, folder)
    bundle.write_sums(folder)
    return source, parity


def _weights(source: Source, folder: Path) -> None:
    """Write the weights: those that training left, or what they are at a lower precision."""
    if source.lowered is None:
        shutil.copyfile(source.folder("train") / bundle.WEIGHTS, folder / bundle.WEIGHTS)
        return
    from safetensors.torch import save_file

    with new_file(folder / bundle.WEIGHTS) as name:
        save_file({key: value.contiguous() for key, value in source.lowered.tensors().items()}, name)


def _graph(source: Source, signature: bundle.Signature, folder: Path) -> None:
    """Write the graph."""
    from ..tracing.graph import export_graph

    path, config = folder / bundle.MODEL, source.config
    said = metadata(source, _relevance(source, signature), folder / bundle.WEIGHTS)
    if source.lowered:
        source.lowered.write(path, said)
        return
    trace, warm = source.model.example(4, config.seed), source.temperature.value
    export_graph(source.model, source.network, trace, path, opset=config.export.opset, metadata=said, temperature=warm)


def _compared_and_stored(source: Source, signature: bundle.Signature, folder: Path) -> list[dict[str, Any]]:
    """Compare the graph with PyTorch, and store the answers on the examples: PyTorch's, or an integer graph's own."""
    from ..bundle.session import compute, session
    from ..export.explained_parity import unsteady
    from ..export.parity import compare_shapes, forward, near_ties
    from ..export.relevance import relevances
    from ..tracing.graph import Published

    path, how = folder / bundle.MODEL, _relevance(source, signature)
    published = Published(source.model, source.network, source.temperature.value).eval()
    integer = source.precision == "int8"
    found = compare_shapes(published, path, signature.inputs, source.arrays, source.tolerance, clips=integer)
    names = [spec.name for spec in signature.outputs]
    if integer:
        outputs = compute(session(path), names, source.arrays)
    else:
        outputs = dict(zip(names, forward(published, source.arrays)[0], strict=True))
    bundle.write_arrays(folder / "examples/inputs.npz", source.arrays)
    bundle.write_arrays(folder / "examples/outputs.npz", outputs)
    values, _ = relevances(source.network, signature, source.arrays, how)
    bundle.write_arrays(folder / "examples/relevance.npz", {"relevance": values})
    examples = bundle.Examples(
        count=len(values),
        tolerance=source.tolerance,
        near_ties=near_ties(published, source.arrays),
        relevance=how,
        unsteady=unsteady(source.model, source.network, how, source.arrays),
    )
    write_json(folder / bundle.EXAMPLES, examples.model_dump(mode="json"))
    write_text(folder / bundle.REQUEST, _request(signature, source.arrays))
    return [parity.as_dict() for parity in found]


def _explained_graph(
    source: Source, signature: bundle.Signature, folder: Path
) -> tuple[bundle.Signature, list[dict[str, Any]], int]:
    """Write the explained graph, compare it with the engine, and describe it in the signature; its size in float32."""
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
        metadata=metadata(source, how, folder / bundle.WEIGHTS),
    )
    size = path.stat().st_size
    if source.lowered:
        source.lowered.finish(path)
    described = bundle.Explained(
        inputs=list(explained_inputs(source.model)),
        outputs=list(outputs),
        how=how,
    )
    signature = signature.model_copy(update={"explained": described})
    found = compare_explained(source.model, source.network, path, source.arrays, inputs=signature.inputs, how=how)
    return signature, [parity.as_dict() for parity in found], size


def _request(signature: bundle.Signature, arrays: Mapping[str, np.ndarray]) -> str:
    """Return the first examples as a server is asked for them, each cut to its own length."""
    count = min(REQUESTED, len(arrays[signature.inputs[0].name]))
    inputs = [
        {spec.name: cut(spec, arrays[spec.name][number]).tolist() for spec in signature.inputs}
        for number in range(count)
    ]
    return json.dumps({"inputs": inputs})


def _relevance(source: Source, signature: bundle.Signature) -> bundle.Relevance:
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


def _signature(source: Source) -> bundle.Signature:
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
        precision=source.precision,
    )


def _domain(source: Source) -> list[Trained]:
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
