"""What a bundle says beside its graphs: what was measured on which data, and what made it, step by step."""

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
from ..bundle.errors import BundleError
from ..bundle.files import read_json, sha256, write_json
from ..describe.graph_properties import graph_properties
from ..describe.origin import Origin
from ..models.contract import SPLITS
from ..provenance.about import About
from ..provenance.configuration import Config
from ..provenance.project import Project
from ..tagging.cuts import published_cuts
from .data import store_folder
from .precision import SINGLE, evaluation_folder
from .prune_study import compared
from .temperature import Temperature

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from ..export.precision import Lowered, Precision
    from ..models.contract import Model

__all__ = ["Source", "configuration_text", "copy_runs", "metadata", "metrics_of", "public_part", "warmed"]

FIGURES = (".png", ".svg", ".pdf")
VERBS = ("train", "evaluate", "explain")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Everything that goes into a bundle."""

    project: Project
    config: Config
    model: Model
    network: nn.Module
    arrays: Mapping[str, np.ndarray]
    metrics: Mapping[str, Any]
    temperature: Temperature
    tolerance: float
    #: The network at low precision, if that is asked for; `network` is the one in it then.
    lowered: Lowered | None = None
    #: The network as trained, where the other one isn't.
    trained: nn.Module | None = None

    @property
    def precision(self) -> Precision:
        """In which the weights are published."""
        return self.lowered.precision if self.lowered else SINGLE

    def folder(self, verb: str) -> Path:
        """Return what a verb left: of a low precision, what its own graph measured."""
        if verb == "evaluate":
            return evaluation_folder(self.project, self.config, self.precision)
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
        return ("val", "test") if "explanation" in self.metrics or self.precision == "int8" else ("test",)


def metrics_of(project: Project, config: Config) -> dict[str, Any]:
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
    study = compared(project, config.name)
    if (study / provenance.FILE).is_file() and sha256(weights) in read_json(study / provenance.FILE)["inputs"].values():
        metrics["pruning"] = read_json(study / "study.json")
    return metrics


def warmed(metrics: Mapping[str, Any], temperature: Temperature) -> dict[str, Any]:
    """Return metrics with the temperature, by which cuts of the published graph are smaller."""
    if not temperature.record:
        return dict(metrics)
    cuts = {}
    if "working_points" in metrics:
        cuts = {"working_points": published_cuts(metrics["working_points"], temperature.value)}
    return {**metrics, "temperature": dict(temperature.record), **cuts}


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


def metadata(source: Source, how: bundle.Relevance, weights: Path) -> dict[str, str]:
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
        weights=sha256(weights),
        data={split: {Path(name).name: checksum for name, checksum in files.items()} for split, files in raw.items()},
        learned=_learned(source),
        explanation=how.model_dump_json(),
    )


def _learned(source: Source) -> Origin:
    """Return which data the network learned from: those that were converted here, or what is told of others."""
    made = provenance.require(source.folder("train"), "train")
    if "about" in made:
        about = About.model_validate(made["about"])
        return Origin(source="elsewhere", title=about.dataset, doi=about.dataset_doi)
    stores = store_folder(source.project, source.config)
    return Origin.of(source.project, provenance.require(stores / "train", "data", source.project.root))


def configuration_text(config: Config, unused: set[str]) -> str:
    """Return a configuration as YAML, without the sections that made nothing."""
    values = config.model_dump(mode="json", by_alias=True, exclude=unused)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def copy_runs(source: Source, folder: Path, unused: set[str]) -> None:
    """Copy the figures and the provenance of every step, without the paths of this machine and what made nothing."""
    if "pruning" in source.metrics:
        _copy_figures(compared(source.project, source.config.name), folder / "figures" / "prune")
    for verb in source.steps:
        made = source.folder(verb)
        if verb != "train":
            _copy_figures(made, folder / "figures" / verb)
        if (made / provenance.FILE).is_file():
            values = read_json(made / provenance.FILE)
            values["configuration"] = {k: v for k, v in values["configuration"].items() if k not in unused}
            write_json(folder / "provenance" / f"{values['command']}.json", _anonymous(values))
    for split in source.splits:
        values = provenance.require(store_folder(source.project, source.config) / split, "data", source.project.root)
        values["configuration"] = {k: v for k, v in values["configuration"].items() if k not in unused}
        write_json(folder / "provenance" / f"data-{split}.json", _anonymous(values))


def _copy_figures(made: Path, folder: Path) -> None:
    for path in sorted(made.rglob("*")):
        if path.suffix in FIGURES and path.is_file():
            target = folder / path.relative_to(made)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _anonymous(value: Any) -> Any:
    """Return JSON values without absolute paths, nor the address of a tracking server (it may hold a password)."""
    if isinstance(value, dict):
        return {key: None if key == "tracking_uri" else _anonymous(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_anonymous(inner) for inner in value]
    if isinstance(value, str) and Path(value).is_absolute():
        return Path(value).name
    return value


def public_part(config: Config) -> dict[str, Any]:
    """Return what of a configuration is another in public: folders of this machine, and where a registry is."""
    folder = config.data.folder
    return {
        "data": config.data.model_copy(update={"folder": Path(folder.name) if folder else None}),
        "register_": config.register_.model_copy(update={"tracking_uri": None}),
    }
