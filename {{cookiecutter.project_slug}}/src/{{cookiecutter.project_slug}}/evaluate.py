"""The verb ``evaluate``: measure the trained network on the test split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import models, provenance
from .config import Config
from .data.verb import store_folder
from .files import new_file, new_folder, write_json
from .project import Project

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn
    from torch.utils.data import Dataset

    from .models.contract import Model

__all__ = ["apply", "run"]


def run(project: Project, config: Config) -> dict[str, Any]:
    """Evaluate the network; write ``runs/<configuration>/evaluate/`` with metrics, raw outputs, tables and figures.

    Raises
    ------
    MissingStepError
        If there are no data or no weights.
    """
    import numpy as np

    from .data.batches import first
    from .data.store import Store
    from .train import WEIGHTS, load_network

    network = load_network(project, config)
    stores = store_folder(project, config)
    provenance.require(stores / "test", "data", project.root)
    model = models.get(project.model)
    dataset = first(model.dataset(Store(stores / "test"), **config.data.options), config.evaluate.limit)
    outputs, targets = apply(model, network, dataset, config.evaluate.batch_size)
    folder = project.run(config.name, "evaluate")
    with new_folder(folder) as temporary:
        found = model.evaluate(outputs, targets, temporary)
        result = {
            "metrics": dict(found.metrics),
            "decisive": found.decisive,
            "headline": list(found.headline),
            "examples": len(next(iter(targets.values()))),
            "source": config.data.source,
        }
        write_json(temporary / "metrics.json", result)
        with new_file(temporary / "outputs.npz") as name:
            np.savez(name, **outputs, **targets)  # type: ignore[arg-type]
        weights = project.run(config.name, "train") / WEIGHTS
        inputs = provenance.checksums(project.root, weights, stores / "test" / "store.json")
        provenance.record(temporary, project, config, "evaluate", inputs=inputs, result=result)
    return {**result, "folder": str(folder.relative_to(project.root)), "files": list(found.files)}


def apply(
    model: Model, network: nn.Module, dataset: Dataset[Any], batch_size: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Run a network over a whole data set, in order.

    Returns
    -------
    outputs, targets
        Raw outputs by the names of the model's outputs, and every other entry of the batches, along the first axis.
    """
    import numpy as np
    import torch

    from .data.batches import ordered_loader

    inputs = {spec.name for spec in model.inputs}
    collected: dict[str, list[np.ndarray]] = {}
    targets: dict[str, list[np.ndarray]] = {}
    with torch.inference_mode():
        for batch in ordered_loader(dataset, batch_size):
            for name, values in _outputs(model, network, batch).items():
                collected.setdefault(name, []).append(values.float().numpy())
            for name in batch.keys() - inputs:
                targets.setdefault(name, []).append(batch[name].numpy())
    return {n: np.concatenate(v) for n, v in collected.items()}, {n: np.concatenate(v) for n, v in targets.items()}


def _outputs(model: Model, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    values = network(**{spec.name: batch[spec.name] for spec in model.inputs if spec.name in batch})
    values = values if isinstance(values, tuple) else (values,)
    return dict(zip((spec.name for spec in model.outputs), values, strict=True))
