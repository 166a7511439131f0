"""A network exported at low precision: the examples that it is made with, and what its very graph measures.

What is published is what was measured: the graph answers the test split, and figures, metrics and the outputs that the
registry compares are its own, in ``runs/<configuration>/evaluate-<precision>/``.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from .. import bundle, provenance
from ..bundle.files import new_folder, read_json, sha256, write_json
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project
from .data import store_folder
from .evaluate import OUTPUTS, datasets_of, result_of, write_outputs

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ..export.precision import Lowered
    from ..models.contract import Model

    Arrays = Mapping[str, np.ndarray]

__all__ = ["SINGLE", "evaluated", "evaluation_folder", "validation_batches"]

#: What nothing is lowered to.
SINGLE: Literal["float32"] = "float32"
#: Validation examples that a network is made with and tried on, and elements of all of them together.
MOST, MOST_ELEMENTS = 512, 200_000
#: Examples of a batch, and pairs of its elements, which a search for neighbours compares.
BATCH, PAIRS = 16, 2**22


def evaluation_folder(project: Project, config: Config, precision: str) -> Path:
    """Return the folder of what the published graph of a precision measures."""
    return project.run(config.name, "evaluate" if precision == SINGLE else f"evaluate-{precision}")


def validation_batches(project: Project, config: Config, model: Model) -> tuple[list[Arrays], list[Arrays]]:
    """Return batches of validation examples: those that say where values lie, and as many others that try it.

    They are drawn by the seed, of every class the same number where examples have a label.
    """
    from ..data.store import Store

    folder = store_folder(project, config) / "val"
    provenance.require(folder, "data", project.root)
    dataset: Any = model.dataset(Store(folder), **config.data.options)
    batches = list(_batches(model, dataset, config.seed))
    # A single batch does both.
    return batches[::2], batches[1::2] or batches


def _batches(model: Model, dataset: Any, seed: int) -> Iterator[Arrays]:
    """Give batches of required inputs, as many examples as may be, each batch cut to its longest set."""
    import numpy as np

    from ..tracing.graph import graph_inputs

    specs, total = graph_inputs(model), 0
    order = _order(model, dataset, seed)
    size = BATCH
    while len(order):
        batch = dataset.__getitems__(order[:size].tolist())
        first = batch[specs[0].name].numpy()
        longest = _longest(first) if specs[0].set_axis else 1
        if size > 1 and size * longest**2 > PAIRS:
            size = max(1, PAIRS // longest**2)
            continue
        sets = [spec.name for spec in specs if spec.set_axis]
        arrays = {spec.name: batch[spec.name].numpy() for spec in specs}
        yield {
            name: np.ascontiguousarray(values[:, :longest] if name in sets else values)
            for name, values in arrays.items()
        }
        order, total = order[size:], total + size * longest
        if total > MOST_ELEMENTS:
            return


def _longest(values: np.ndarray) -> int:
    """Return the elements of the largest set of a batch, at least 1."""
    real = (values.reshape(*values.shape[:2], -1) != 0).any((0, 2)).nonzero()[0]
    return int(real[-1]) + 1 if len(real) else 1


def _order(model: Model, dataset: Any, seed: int) -> np.ndarray:
    """Draw examples, the classes in turn where there are labels."""
    import numpy as np

    random = np.random.default_rng(seed)
    order = random.permutation(len(dataset))[: 8 * MOST]
    label = next((spec for spec in model.targets if spec.name == "label" and len(spec.axes) == 1), None)
    if label is not None:
        labels = np.concatenate(
            [dataset.__getitems__(order[i : i + 256].tolist())["label"].numpy() for i in range(0, len(order), 256)]
        )
        turn = np.zeros(len(order), np.int64)
        for one in np.unique(labels):
            turn[labels == one] = np.arange((labels == one).sum())
        order = order[np.argsort(turn, kind="stable")]
    return order[:MOST]


class _Graph:
    """A published graph that is called as its network: raw outputs, as they were before the temperature."""

    def __init__(self, model: Model, network: nn.Module, path: Path, temperature: float) -> None:
        import torch

        from ..bundle.session import session
        from ..tracing.graph import graph_inputs

        self._network = network
        self._opened = session(path, threads=torch.get_num_threads())
        self._inputs = [spec.name for spec in graph_inputs(model)]
        self._outputs = [spec.name for spec in model.outputs]
        self._temperature = temperature

    def get_submodule(self, name: str) -> nn.Module:
        """Return a part of the network, as the network does."""
        return self._network.get_submodule(name)

    def __call__(self, **inputs: Tensor) -> tuple[Tensor, ...]:
        import torch

        from ..bundle.session import compute

        found = compute(self._opened, self._outputs, {name: inputs[name].numpy() for name in self._inputs})
        values = [torch.from_numpy(found[name]) for name in self._outputs]
        warm = [name.endswith("logits") for name in self._outputs]
        return tuple(v * self._temperature if w else v for v, w in zip(values, warm, strict=True))


def evaluated(
    project: Project, config: Config, lowered: Lowered, published: Path, temperature: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure a published graph on the test split; return what it measures, and how far that is from float32.

    Parameters
    ----------
    project, config
        Whose graph it is.
    lowered, published
        The network at low precision, and the folder with its graph and weights.
    temperature
        What the graph divides logits by.
    """
    from ..tagging.applied import apply

    model, size = recipe(project), config.evaluate.batch_size
    datasets = datasets_of(project, config, model)
    graph: Any = _Graph(model, lowered.network, published / bundle.MODEL, temperature)
    outputs, targets = apply(model, graph, datasets["test"], size)
    with new_folder(evaluation_folder(project, config, lowered.precision)) as folder:
        found = result_of(config, model, (outputs, targets), datasets, folder)
        write_json(folder / "metrics.json", found.values)
        write_outputs(folder, outputs, targets)
        shutil.copyfile(published / bundle.WEIGHTS, folder / bundle.WEIGHTS)
        read = [store_folder(project, config) / split / "store.json" for split in found.read]
        trained = project.run(config.name, "train") / bundle.WEIGHTS
        inputs = provenance.checksums(project.root, trained, *read) | {bundle.WEIGHTS: sha256(folder / bundle.WEIGHTS)}
        provenance.record(folder, project, config, "evaluate", inputs=inputs, result=found.values)
    before, known = _before(project, config, lowered, datasets, temperature)
    return found.values, {**_compared(found.values, known), **_flips(model, outputs, before, targets)}


def _before(
    project: Project, config: Config, lowered: Lowered, datasets: Mapping[str, Any], temperature: float
) -> tuple[Arrays, Mapping[str, Any]]:
    """Return what float32 answers to the same inputs, and what that measures."""
    import numpy as np

    from ..tagging.applied import apply

    model = recipe(project)
    if not any(spec.optional for spec in model.inputs):
        evaluation = project.run(config.name, "evaluate")
        with np.load(evaluation / OUTPUTS) as arrays:
            return {spec.name: arrays[spec.name] for spec in model.outputs}, read_json(evaluation / "metrics.json")
    # `evaluate` gave the network what a caller of the graph may leave out: that difference isn't one of precision.
    with TemporaryDirectory() as place:
        import onnx

        onnx.save_model(lowered.before, Path(place) / bundle.MODEL)
        graph: Any = _Graph(model, lowered.network, Path(place) / bundle.MODEL, temperature)
        answers = apply(model, graph, datasets["test"], config.evaluate.batch_size)
        return answers[0], result_of(config, model, answers, datasets, Path(place)).values


def _compared(after: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metric that decides, with its statistical error, of both."""
    name = after["decisive"]
    return {
        "decisive": name,
        "value": after["metrics"][name],
        "value_error": after["metrics"].get(f"{name}_error"),
        "float32": before["metrics"][name],
        "float32_error": before["metrics"].get(f"{name}_error"),
    }


def _flips(model: Model, after: Arrays, before: Arrays, targets: Arrays) -> dict[str, Any]:
    """Return the share of answers whose most probable class is another one, and what the paired comparison says."""
    import numpy as np

    found: dict[str, Any] = {"paired": model.not_worse(after, before, targets)[1].replace("the champion", SINGLE)}
    logits = [spec.name for spec in model.outputs if spec.name.endswith("logits")]
    if logits:
        other = np.concatenate([(after[name].argmax(-1) != before[name].argmax(-1)).ravel() for name in logits])
        share = float(other.mean())
        found |= {"answers": other.size, "flipped": share, "flipped_error": math.sqrt(share * (1 - share) / other.size)}
    return found
