"""The verb ``check``: try every promise that the model makes, and say what to do about those that are broken."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from ..bundle.errors import ConfigError
from ..check.checks import check_model
from ..check.trial import Outcome
from ..models.building import build
from ..models.contract import Model
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project

__all__ = ["headline", "run"]

log = logging.getLogger(__name__)


def run(project: Project, config: Config) -> dict[str, Any]:
    """Check the model of the project with the hyperparameters and options of a configuration.

    Every check is named as it finishes. ``problem`` in the result says that some failed: then the command ends with 1.

    Raises
    ------
    ConfigError
        If the configuration has hyperparameters that the network refuses: no promise is broken by that.
    """
    model = recipe(project)
    _refuse_hyperparameters(model, config)
    outcomes = check_model(
        model, config, sample=project.sample, report=lambda outcome: log.info("%s", _progress(outcome))
    )
    failed = [outcome.name for outcome in outcomes if outcome.verdict == "failed"]
    result: dict[str, Any] = {"headline": headline(outcomes), "checks": [asdict(outcome) for outcome in outcomes]}
    if failed:
        result["problem"] = f"{len(failed)} of {len(outcomes)} checks failed: {', '.join(failed)}"
    return result


def _refuse_hyperparameters(model: Model, config: Config) -> None:
    try:
        build(model, config.model)
    except ConfigError:
        raise
    except Exception as error:  # a broken model may raise anything: the checks say what, one by one
        log.info("the network can't be built (%s)", type(error).__name__)


def headline(outcomes: Sequence[Outcome]) -> list[str]:
    """Say all verdicts: the broken promises with what was seen and what to do."""
    passed = sum(outcome.verdict == "passed" for outcome in outcomes)
    lines = []
    for reason, group in groupby(outcomes, key=lambda outcome: (outcome.verdict, outcome.reason)):
        same = list(group)
        if reason[0] == "not possible" and len(same) > 1:
            names = ", ".join(outcome.name for outcome in same)
            lines.append(f"not tried, because {reason[1]}: {names}")
            continue
        lines += [line for outcome in same for line in _lines(outcome)]
    return [*lines, f"{passed} of {len(outcomes)} checks passed"]


def _progress(outcome: Outcome) -> str:
    return f"{outcome.verdict:>12}  {outcome.name} ({outcome.seconds:.1f} s)"


def _lines(outcome: Outcome) -> list[str]:
    """Say what was promised, and if it isn't kept, what was seen and what to do."""
    if outcome.verdict == "passed":
        return [f"passed  {outcome.name}: {outcome.promise}"]
    if outcome.verdict == "not possible":
        return [f"{outcome.name.replace('_', ' ')}: not possible because {outcome.reason}"]
    return [
        f"FAILED  {outcome.name}: {outcome.promise}",
        f"        seen: {outcome.reason}",
        f"        to do: {outcome.remedy}",
    ]
