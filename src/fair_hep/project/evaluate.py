"""The verb ``evaluate``: measure the trained network on the test split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import provenance
from ..bundle.files import new_file, new_folder, write_json
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project
from ..tagging.applied import apply, derived
from .data import store_folder
from .seeds import members, spread

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from ..models.contract import Evaluation, Model

__all__ = ["run"]

#: The test split is measured; cuts of baselines are chosen on the validation split.
SPLITS = ("val", "test")


def run(project: Project, config: Config) -> dict[str, Any]:
    """Evaluate the network; write ``runs/<configuration>/evaluate/`` with metrics, raw outputs, tables and figures.

    With ``train.seeds`` the other trainings are evaluated too, each in a folder of its own, and the metrics of the
    first say beside it what all of them have in the mean, and how far apart they lie.

    Raises
    ------
    MissingStepError
        If there are no data or no weights.
    """
    import numpy as np

    from .train import WEIGHTS, load_network

    others = members(config)[1:]
    beside = [run(project, one) for one in others]
    network = load_network(project, config)
    stores = store_folder(project, config)
    model, size = recipe(project), config.evaluate.batch_size
    datasets = _datasets(project, config, model)
    dataset = datasets["test"]
    outputs, targets = apply(model, network, dataset, size)
    baselines = model.baselines(datasets, size)
    folder = project.run(config.name, "evaluate")
    with new_folder(folder) as temporary:
        # Only a model that has baselines knows of the fourth argument.
        fourth = (baselines,) if baselines else ()
        found = model.evaluate(outputs, {**targets, **derived(model, dataset, size)}, temporary, *fourth)
        result = {**_told(found), "examples": len(dataset), "source": config.data.source}  # type: ignore[arg-type]
        if beside:
            result["seeds"] = spread([result, *beside], [config.name, *(one.name for one in others)])
            result["headline"].append(_between(result))
        write_json(temporary / "metrics.json", result)
        with new_file(temporary / "outputs.npz") as name:
            np.savez(name, **outputs, **targets)  # type: ignore[arg-type]
        weights = project.run(config.name, "train") / WEIGHTS
        trained = [weights, *(project.run(one.name, "train") / WEIGHTS for one in others)]
        read = [stores / split / "store.json" for split in (SPLITS if baselines else ("test",))]
        inputs = provenance.checksums(project.root, *trained, *read)
        provenance.record(temporary, project, config, "evaluate", inputs=inputs, result=result)
    return {**result, "folder": str(folder.relative_to(project.root)), "files": list(found.files)}


def _datasets(project: Project, config: Config, model: Model) -> dict[str, Dataset[Any]]:
    """Return what is measured, and what baselines are chosen on."""
    from ..data.batches import first
    from ..data.store import Store

    stores, found = store_folder(project, config), {}
    for split in SPLITS:
        provenance.require(stores / split, "data", project.root)
        found[split] = first(model.dataset(Store(stores / split), **config.data.options), config.evaluate.limit)
    return found


def _told(found: Evaluation) -> dict[str, Any]:
    """Return what was measured as JSON values."""
    cuts = [dict(cut) for cut in found.working_points]
    return {
        "metrics": dict(found.metrics),
        "decisive": found.decisive,
        "headline": list(found.headline),
        "tables": [table.as_dict() for table in found.tables],
        "factors": list(found.factors),
        **({"working_points": cuts} if cuts else {}),
    }


def _between(result: Mapping[str, Any]) -> str:
    """Return in one line how far apart several trainings lie."""
    name, runs = result["decisive"], result["seeds"]["runs"]
    found = result["seeds"]["metrics"][name]
    return (
        f"{name} of {len(runs)} trainings with different seeds: mean {found['mean']:.4f} +- {found['error']:.4f}, "
        f"spread of one {found['spread']:.4f}"
    )
