"""Which criterion is the better guide: ``prune --study`` tries each at several budgets, from several trainings."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import provenance
from ..bundle.files import new_folder, read_json, write_json
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project
from .held import held
from .layout import Layout, find_layout
from .measured import measure
from .prune_figures import draw_study
from .prune_table import FILE as TABLE
from .prune_table import write_table
from .pruning_steps import Pruning, Round, prepare
from .seeds import members
from .train import load_network
from .train import run as train

if TYPE_CHECKING:
    from torch import nn

    from ..bundle.parts import Part

__all__ = ["FOLDER", "SEEDS", "compared", "study"]

#: Below ``runs/<configuration>/``: what was found, and the rounds of every network.
FOLDER = "prune-study"
#: Trainings that begin it, unless ``train.seeds`` says more.
SEEDS = 3
#: Examples whose explanations are compared with those of the network before.
COMPARED = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Way:
    """One training, made smaller and smaller by one criterion."""

    number: int
    config: Config
    criterion: str


def study(project: Project, config: Config, *, part: Part | None = None) -> dict[str, Any]:
    """Prune several trainings by several criteria to several budgets; write ``runs/<configuration>/prune-study/``.

    What is missing is trained first. From each training, each criterion of ``prune.criteria`` makes the network smaller
    step by step to each share of multiply-adds of ``prune.budgets``, with ``prune.epochs`` of training after each step,
    and the test split is measured after each. What is finished isn't done again, so that an interrupted study goes on,
    and several machines (or processes) can do a part each.

    Raises
    ------
    ProjectError
        Whatever training or pruning raise.
    """
    layout = find_layout()
    trainings = members(_with_seeds(config))
    for one in trainings if part is None or part.number == 1 else ():
        _trained(project, one)
    ways = [
        Way(number, one, criterion) for number, one in enumerate(trainings, 1) for criterion in config.prune.criteria
    ]
    chosen = ways if part is None else [ways[number] for number in range(part.number - 1, len(ways), part.of)]
    rows = [row for way in chosen for row in _followed(project, way, layout)]
    if part is not None:
        return {"headline": [f"part {part.number} of {part.of}: {len(rows)} networks made and measured"]}
    before = [_before(project, number, one) for number, one in enumerate(trainings, 1)]
    found = {"configuration": config.name, "decisive": before[0]["decisive"], "before": before, "rows": rows}
    return _written(project, config, {"headline": _lines(found), **found})


def compared(project: Project, name: str) -> Path:
    """Return the folder of what a study found that began with the training of a configuration."""
    return project.run(name, FOLDER) / "found"


def _with_seeds(config: Config) -> Config:
    seeds = max(config.train.seeds, SEEDS)
    return config.model_copy(update={"train": config.train.model_copy(update={"seeds": seeds})})


def _trained(project: Project, config: Config) -> None:
    """Train what isn't trained yet, or go on with it."""
    folder = project.run(config.name, "train")
    if not (folder / provenance.FILE).is_file():
        log.info("== training %s", config.name)
        train(project, config, resume=(folder / "checkpoints" / "last.ckpt").is_file())


# -- one training by one criterion -------------------------------------------------------------------------------------
def _followed(project: Project, way: Way, layout: Layout) -> Iterator[dict[str, Any]]:
    """Make a network smaller and smaller; give what was measured at each budget."""
    folder = project.run(way.config.name, FOLDER) / way.criterion
    settings = way.config.prune.model_copy(update={"criterion": way.criterion, "steps": 1})
    config = way.config.model_copy(update={"prune": settings})
    with held(folder, "a study"):
        pruning = prepare(project, config, f"{way.config.name}-{way.criterion}", folder)
        parent = load_network(project, way.config)
        full = pruning.cost(parent)
        made = pruning.begin(parent)
        for number, budget in enumerate(sorted(way.config.prune.budgets, reverse=True), 1):
            made = pruning.next(made, number, {"macs": budget * full.macs}, layout)
            kept = folder / f"round-{number}" / "measured.json"
            if not kept.is_file():
                write_json(kept, _measured(pruning, parent, made, number))
            shares = {name: getattr(made.cost, name) / getattr(full, name) for name in ("macs", "parameters")}
            about = {"training": way.number, "criterion": way.criterion, "budget": budget, **shares}
            yield {**about, **read_json(kept), "weights": str(kept.parent.relative_to(project.root))}


def _measured(pruning: Pruning, parent: nn.Module, made: Round, number: int) -> dict[str, Any]:
    """Measure a network before and after its training, and compare its explanations with those of the whole one."""
    from ..study.agreement import agreement

    config = pruning.config

    test = pruning.split("test")
    first = measure(config, pruning.model, pruning.at_start(number, made.pruned), test).metrics
    indices = range(min(COMPARED, len(test)))
    metrics = measure(config, pruning.model, made.network, test).metrics
    same = agreement(pruning.model, (parent, made.network), test, list(indices), pruning.compared_by)
    return {"taken_away": dict(first), "metrics": dict(metrics), "explanations": same}


def _before(project: Project, number: int, config: Config) -> dict[str, Any]:
    """Measure a training as it is."""
    kept = project.run(config.name, FOLDER) / "before.json"
    network = load_network(project, config)
    pruning = prepare(project, config, config.name, kept.parent)
    found = read_json(kept) if kept.is_file() else {}
    if found.get("made_from") != pruning.made_from:
        measured = measure(config, pruning.model, network, pruning.split("test"))
        found = {
            "made_from": dict(pruning.made_from),
            "decisive": measured.decisive,
            "metrics": dict(measured.metrics),
            "cost": pruning.cost(network)._asdict(),
        }
        write_json(kept, found)
    return {"training": number, **found}


# -- what is written ---------------------------------------------------------------------------------------------------
def _written(project: Project, config: Config, found: Mapping[str, Any]) -> dict[str, Any]:
    folder = compared(project, config.name)
    model = recipe(project)
    with new_folder(folder) as temporary:
        write_json(temporary / "study.json", found)
        files = draw_study(found, temporary, model.title)
        write_table(found, temporary / TABLE)
        inputs = {key: value for one in found["before"] for key, value in one["made_from"].items()}
        provenance.record(temporary, project, config, "prune", inputs=inputs)
    where = folder.relative_to(project.root)
    told = [f"figures in {where}: {', '.join(files)}", f"every metric: {where}/{TABLE}"]
    return {**found, "headline": [*found["headline"], *told], "folder": str(where)}


def _lines(found: Mapping[str, Any]) -> list[str]:
    from .prune_figures import mean_and_error

    name = found["decisive"]
    mean, error = mean_and_error([one["metrics"][name] for one in found["before"]])
    lines = [f"{name} of {len(found['before'])} trainings: {mean:.4f} +- {error:.4f} (spread between trainings)"]
    for budget in sorted({row["budget"] for row in found["rows"]}, reverse=True):
        rows = [row for row in found["rows"] if row["budget"] == budget]
        told = []
        for criterion in dict.fromkeys(row["criterion"] for row in rows):
            values = [row["metrics"][name] for row in rows if row["criterion"] == criterion]
            mean, error = mean_and_error(values)
            told.append(f"{criterion} {mean:.4f} +- {error:.4f}")
        lines.append(f"{budget:.0%} of the multiply-adds: {', '.join(told)}")
    return lines
