"""The verb ``evaluate``: measure the trained network on the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import provenance
from ..bundle.files import new_file, new_folder, write_json
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project
from ..provenance.sharing import begin_part, record_part, whole_parts
from ..tagging.applied import apply, derived, joined
from .answering import answering
from .data import store_folder
from .seeds import members, spread
from .train import WEIGHTS

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from ..bundle.parts import Part
    from ..models.contract import Arrays, Evaluation, Model

__all__ = ["OUTPUTS", "datasets_of", "result_of", "run", "write_outputs"]

#: The test split is measured; cuts of baselines are chosen on the validation split.
SPLITS = ("val", "test")
#: What the network answered, and what it should have.
OUTPUTS = "outputs.npz"


def run(project: Project, config: Config, *, part: Part | None = None, join: int | None = None) -> dict[str, Any]:
    """Evaluate the network; write ``runs/<configuration>/evaluate/`` with metrics, raw outputs, tables and figures.

    With ``train.seeds`` the other trainings are evaluated too, each in a folder of its own, and the metrics of the
    first say beside it what all of them have in the mean, and how far apart they lie. The network's answers can be
    shared among machines: each makes a ``part`` in ``evaluate-parts/``, and ``join`` measures what that many of them
    hold. The result is the same, byte by byte where machines compute alike.

    Raises
    ------
    MissingStepError
        If there are no data, no weights, or not all parts.
    ProjectError
        If parts don't belong together, or to these weights and data.
    """
    first, *others = members(config)
    for one in (first, *others):
        provenance.require(project.run(one.name, "train"), "train", project.root)
    if part:
        done = [_part(project, one, part) for one in (first, *others)]
        return {**done[0], "headline": [line for one in done for line in one["headline"]]}
    beside = [_evaluated(project, one, join) for one in others]
    return _evaluated(project, config, join, beside, [one.name for one in others])


def _evaluated(
    project: Project,
    config: Config,
    join: int | None,
    beside: Sequence[Mapping[str, Any]] = (),
    others: Sequence[str] = (),
) -> dict[str, Any]:
    """Evaluate one network, beside those of other seeds."""
    model, size = recipe(project), config.evaluate.batch_size
    stores = store_folder(project, config)
    datasets = datasets_of(project, config, model)
    dataset = datasets["test"]
    if join:
        outputs, targets = _answers(project, config, model, join)
    else:
        outputs, targets = apply(model, answering(project, config, model, dataset), dataset, size)
    folder = project.run(config.name, "evaluate")
    with new_folder(folder) as temporary:
        found = result_of(config, model, (outputs, targets), datasets, temporary)
        result = found.values
        if beside:
            result["seeds"] = spread([result, *beside], [config.name, *others])
            result["headline"].append(_between(result))
        write_json(temporary / "metrics.json", result)
        write_outputs(temporary, outputs, targets)
        trained = [project.run(name, "train") / WEIGHTS for name in (config.name, *others)]
        read = [stores / split / "store.json" for split in found.read]
        inputs = provenance.checksums(project.root, *trained, *read)
        provenance.record(temporary, project, config, "evaluate", inputs=inputs, result=result)
    return {**result, "folder": str(folder.relative_to(project.root)), "files": list(found.files)}


class Result(NamedTuple):
    """What a network's answers measure, as JSON values; the files that were drawn; the splits that were read."""

    values: dict[str, Any]
    files: Sequence[str]
    read: Sequence[str]


def result_of(
    config: Config, model: Model, answers: tuple[Arrays, Arrays], datasets: Mapping[str, Dataset[Any]], folder: Path
) -> Result:
    """Measure outputs and targets of the test split; tables and figures go into a folder."""
    (outputs, targets), size, dataset = answers, config.evaluate.batch_size, datasets["test"]
    baselines = model.baselines(datasets, size)
    # Only a model that has baselines knows of the fourth argument.
    fourth = (baselines,) if baselines else ()
    found = model.evaluate(outputs, {**targets, **derived(model, dataset, size)}, folder, *fourth)
    result = {**_told(found), "examples": len(dataset), "source": config.data.source}  # type: ignore[arg-type]
    return Result(result, found.files, SPLITS if baselines else ("test",))


# -- parts -------------------------------------------------------------------------------------------------------------
def _part(project: Project, config: Config, part: Part) -> dict[str, Any]:
    """Write the answers to one part of the test split, whole batches."""
    from ..data.batches import between

    model, size = recipe(project), config.evaluate.batch_size
    dataset: Any = datasets_of(project, config, model)["test"]
    made_from, inputs = _made_from(project, config)
    batches = part.share(-(-len(dataset) // size))
    examples = range(batches.start * size, min(batches.stop * size, len(dataset)))
    folder = begin_part(project.run(config.name, "evaluate"), part)
    files = []
    if examples:
        network = answering(project, config, model, dataset)
        outputs, targets = apply(model, network, between(dataset, examples), size)
        files.append(write_outputs(folder, outputs, targets))
    return record_part(folder, project, config, "evaluate", made_from=made_from, files=files, inputs=inputs)


def _answers(project: Project, config: Config, model: Model, join: int) -> tuple[Arrays, Arrays]:
    """Return outputs and targets of the whole split from all parts."""
    import numpy as np

    made_from, _ = _made_from(project, config)
    parts = []
    for _, files in whole_parts(project.run(config.name, "evaluate"), join, "evaluate", project, made_from):
        for path in files:
            with np.load(path) as arrays:
                parts.append({name: arrays[name] for name in arrays.files})
    whole, names = joined(parts), [spec.name for spec in model.outputs]
    return {name: whole[name] for name in names}, {name: whole[name] for name in whole if name not in names}


def write_outputs(folder: Path, outputs: Arrays, targets: Arrays) -> Path:
    """Write what was answered, and what should have been; return the file."""
    import numpy as np

    with new_file(folder / OUTPUTS) as name:
        np.savez(name, **outputs, **targets)  # type: ignore[arg-type]
    return folder / OUTPUTS


def _made_from(project: Project, config: Config) -> tuple[Any, dict[str, str]]:
    """Return what answers depend on, and the checksums of the files that were read."""
    store = store_folder(project, config) / "test"
    made = provenance.require(store, "data", project.root)
    inputs = provenance.checksums(project.root, project.run(config.name, "train") / WEIGHTS, store / "store.json")
    asked = [config.model, config.data.options, config.evaluate.model_dump(mode="json")]
    return [inputs, made["inputs"], asked], inputs


def datasets_of(project: Project, config: Config, model: Model) -> dict[str, Dataset[Any]]:
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
