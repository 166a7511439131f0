"""The verb ``run``: the whole chain, one verb after the other."""

from __future__ import annotations

import importlib
import logging
import time
from typing import Any

from ..models.known import require_known
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project

__all__ = ["CHAIN", "run"]

#: The verbs in their order; each is a module beside this one.
CHAIN = ("data", "train", "evaluate", "explain", "export", "verify", "register")

log = logging.getLogger(__name__)


def run(project: Project, config: Config) -> dict[str, Any]:
    """Take the project through data, train, evaluate, explain, export, verify and register; return all results.

    Raises
    ------
    ProjectError
        Whatever the first verb that fails raises; what the earlier ones made stays.
    """
    # What the last verb reads is tried before the first one takes its time.
    require_known(recipe(project), config)
    results: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for verb in CHAIN:
        log.info("== %s", verb)
        started = time.monotonic()
        results[verb] = importlib.import_module(f".{verb}", __package__).run(project, config)
        seconds[verb] = round(time.monotonic() - started, 1)
    headline = [*results["evaluate"]["headline"], *results["explain"].get("headline", [])]
    return {"headline": headline, "seconds": seconds, **results}
