"""The verb ``explain``: let the model's study explain the trained network on the test split."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import provenance
from ..bundle.errors import ConfigError
from ..bundle.files import read_json, write_json
from ..bundle.symbols import plain
from ..models.recipe import recipe
from ..provenance.about import VERB, About
from ..provenance.configuration import Config
from ..provenance.project import Project
from ..provenance.sharing import begin_part, record_part, whole_parts
from .data import store_folder
from .train import WEIGHTS, load_network

if TYPE_CHECKING:
    from ..bundle.parts import Part
    from ..data.blocks import Blocks
    from ..models.contract import Model

__all__ = ["known_network", "network_line", "run"]

#: Examples of the test split are explained; what is chosen by measuring is chosen on the validation split.
SPLITS = ("val", "test")


def run(project: Project, config: Config, *, part: Part | None = None, join: int | None = None) -> dict[str, Any]:
    """Explain the network; write ``runs/<configuration>/explain/`` with relevances, tables and figures.

    An interrupted explanation goes on where it stopped; a finished one is made anew. What takes long can be shared
    among machines: each makes a ``part`` in ``explain-parts/``, and ``join`` takes that many of them instead of
    explaining again. The result is the same, byte by byte where machines compute alike.

    Raises
    ------
    MissingStepError
        If there are no data, no weights, or not all parts.
    ConfigError
        If the model's explanations can't be shared.
    ProjectError
        If parts don't belong together, or to these weights and data.
    ExplainError
        If something can't be explained; the message names module, call or jet.
    """
    from ..data.blocks import compute, forget
    from ..data.store import Store

    network, model = load_network(project, config), recipe(project)
    stores = store_folder(project, config)
    for split in SPLITS:
        provenance.require(stores / split, "data", project.root)
    datasets = {split: model.dataset(Store(stores / split), **config.data.options) for split in SPLITS}
    weights = project.run(config.name, "train") / WEIGHTS
    inputs = provenance.checksums(project.root, weights, *(stores / split / "store.json" for split in SPLITS))
    folder = project.run(config.name, "explain")
    blocks = _shared(model, model.explanations(network, datasets, config, folder)) if part or join else ()
    if part:
        place, made_from = begin_part(folder, part), [one.key for one in blocks]
        made = [path for one in blocks for path in compute(place, one, part.share(one.count))]
        return record_part(place, project, config, "explain", made_from=made_from, files=made, inputs=inputs)
    _make_room(folder)
    if join:
        _take(project, join, blocks, folder)
    known = known_network(project, config)
    found = {"network": known, **model.study(network, datasets, config, folder)}
    found["headline"] = [network_line(known), *found.get("headline", [])]
    write_json(folder / "study.json", found)
    forget(folder)  # what waits under other settings
    provenance.record(folder, project, config, "explain", inputs=inputs)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {**found, "folder": str(folder.relative_to(project.root)), "files": files}


def _make_room(folder: Path) -> None:
    """Remove what is finished, and what a killed run left half-written; finished blocks stay."""
    if (folder / provenance.FILE).is_file():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for half_written in folder.glob(".*-*"):
        if half_written.is_file():
            half_written.unlink()


def _shared(model: Model, blocks: Sequence[Blocks]) -> Sequence[Blocks]:
    if not blocks:
        raise ConfigError(
            f"--part, --join: {model.name} doesn't say in what blocks its explanations may be computed "
            "(`Model.explanations`): explain without them"
        )
    return blocks


def _take(project: Project, join: int, blocks: Sequence[Blocks], folder: Path) -> None:
    """Let the blocks of all parts wait in the folder of the study, which then has nothing left to compute."""
    from ..data.blocks import adopt

    keys = [one.key for one in blocks]
    for _, files in list(whole_parts(folder, join, "explain", project, keys)):
        adopt(folder, files)


def known_network(project: Project, config: Config) -> dict[str, Any]:
    """Name the network that is explained: what it is, how long it was trained on what, how good it is.

    Raises
    ------
    MissingStepError
        If it wasn't trained.
    """
    made = provenance.require(project.run(config.name, "train"), "train", project.root)
    known = {"model": project.model, **config.model, **made["result"]}
    if made["command"] == VERB:
        known["training"] = About.model_validate(made["about"]).sentence()
    else:
        parent = made.get("pruned", {}).get("from")
        known |= {"source": config.data.source, "epochs": 0 if parent else config.train.epochs, **made["result"]}
        known |= {"pruned_from": parent} if parent else {}
    metrics = project.run(config.name, "evaluate") / "metrics.json"
    if metrics.is_file():
        measured = read_json(metrics)
        known |= {"metrics": measured["metrics"], "decisive": measured["decisive"]}
    return known


def _trained(known: Mapping[str, Any]) -> str:
    epochs, source = known["epochs"], f"{known.get('examples')} examples (source: {known['source']})"
    words = f"trained for {epochs} epoch{'s' * (epochs != 1)} on {source}" if epochs else "not trained since"
    return f"pruned from {known['pruned_from']}, {words}" if "pruned_from" in known else words


def network_line(known: Mapping[str, Any]) -> str:
    """Say in one line which network is explained, given what `known_network` returns."""
    name = " ".join(str(known[key]) for key in ("model", "preset") if key in known)
    line = f"network: {name}, {known['parameters']} parameters, {known.get('training') or _trained(known)}"
    if "decisive" not in known:
        return f"{line}, not evaluated"
    return f"{line}; {plain(known['decisive'])} {known['metrics'][known['decisive']]:.4f}"
