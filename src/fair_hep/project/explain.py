"""The verb ``explain``: let the model's study explain the trained network on the test split."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from .. import provenance
from ..bundle.files import read_json, write_json
from ..models.recipe import recipe
from ..provenance.about import VERB, About
from ..provenance.configuration import Config
from ..provenance.project import Project

__all__ = ["run"]

#: Examples of the test split are explained; what is chosen by measuring is chosen on the validation split.
SPLITS = ("val", "test")


def run(project: Project, config: Config) -> dict[str, Any]:
    """Explain the network; write ``runs/<configuration>/explain/`` with relevances, tables and figures.

    An interrupted explanation goes on where it stopped; a finished one is made anew.

    Raises
    ------
    MissingStepError
        If there are no data or no weights.
    ExplainError
        If something can't be explained; the message names module, call or jet.
    """
    from ..data.store import Store
    from .data import store_folder
    from .train import WEIGHTS, load_network

    network = load_network(project, config)
    stores = store_folder(project, config)
    for split in SPLITS:
        provenance.require(stores / split, "data", project.root)
    folder = project.run(config.name, "explain")
    if (folder / provenance.FILE).is_file():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for half_written in folder.glob(".*-*"):  # what a killed run left behind; finished parts stay
        if half_written.is_file():
            half_written.unlink()
    model = recipe(project)
    datasets = {split: model.dataset(Store(stores / split), **config.data.options) for split in SPLITS}
    known = _network(project, config)
    found = {"network": known, **model.study(network, datasets, config, folder)}
    found["headline"] = [_named(known), *found.get("headline", [])]
    write_json(folder / "study.json", found)
    weights = project.run(config.name, "train") / WEIGHTS
    inputs = provenance.checksums(project.root, weights, *(stores / split / "store.json" for split in SPLITS))
    provenance.record(folder, project, config, "explain", inputs=inputs)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {**found, "folder": str(folder.relative_to(project.root)), "files": files}


def _network(project: Project, config: Config) -> dict[str, Any]:
    """Name the network that is explained: what it is, how long it was trained on what, how good it is."""
    made = provenance.require(project.run(config.name, "train"), "train", project.root)
    known = {"model": project.model, **config.model, **made["result"]}
    if made["command"] == VERB:
        known["training"] = About.model_validate(made["about"]).sentence()
    else:
        known |= {"source": config.data.source, "epochs": config.train.epochs, **made["result"]}
    metrics = project.run(config.name, "evaluate") / "metrics.json"
    if metrics.is_file():
        measured = read_json(metrics)
        known |= {"metrics": measured["metrics"], "decisive": measured["decisive"]}
    return known


def _named(known: Mapping[str, Any]) -> str:
    """Say in one line which network is explained."""
    name = " ".join(str(known[key]) for key in ("model", "preset") if key in known)
    line = f"network: {name}, {known['parameters']} parameters, " + (
        known["training"]
        if "training" in known
        else f"trained for {known['epochs']} epochs on {known['examples']} examples (source: {known['source']})"
    )
    if "decisive" not in known:
        return f"{line}, not evaluated"
    return f"{line}; {known['decisive'].replace('_', ' ')} {known['metrics'][known['decisive']]:.4f}"
