"""The verb ``run``: the whole chain, one verb after the other."""

from __future__ import annotations

import importlib
import logging
import time
from typing import Any

from ..bundle.errors import ConfigError
from ..models.known import require_known
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project
from .held import held
from .layout import find_layout
from .train import made_otherwise

__all__ = ["CHAIN", "run"]

#: The verbs in their order; each is a module beside this one.
CHAIN = ("data", "train", "evaluate", "explain", "export", "verify", "register")

log = logging.getLogger(__name__)


def run(project: Project, config: Config) -> dict[str, Any]:
    """Take the project through data, train, evaluate, explain, export, verify and register; return all results.

    Weights that were imported, or pruned from others, stay: it goes on with them.

    Raises
    ------
    ProjectError
        Whatever the first verb that fails raises; what the earlier ones made stays. If another chain or training runs
        in this folder.
    ConfigError
        If several processes were started to do the same.
    """
    layout = find_layout()
    if layout.launcher != "lightning":
        raise ConfigError(
            f"run: {layout.launcher} started {layout.devices} processes on each of {layout.nodes} nodes; several "
            "processes can `train`: start it so, and the other verbs alone"
        )
    if not layout.leader:  # Lightning started this command again, for a process more of the training
        return _verb("train").run(project, config)
    with held(project.run(config.name, "train").parent, "a chain"):
        return _chain(project, config)


def _chain(project: Project, config: Config) -> dict[str, Any]:
    # What the last verb reads is tried before the first one takes its time.
    require_known(recipe(project), config)
    results: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    kept = made_otherwise(project.run(config.name, "train"))
    for verb in CHAIN:
        log.info("== %s", verb)
        if verb == "train" and kept:
            log.info("runs/%s/train holds %s, which stays as it is", config.name, kept)
            continue
        started = time.monotonic()
        results[verb] = _verb(verb).run(project, config)
        seconds[verb] = round(time.monotonic() - started, 1)
    headline = [*results["evaluate"]["headline"], *results["explain"].get("headline", [])]
    return {"headline": headline, "seconds": seconds, **results}


def _verb(name: str) -> Any:
    return importlib.import_module(f".{name}", __package__)
