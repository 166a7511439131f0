"""The verb ``prune``: a smaller network of a trained one, with a configuration of its own, for every further verb."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import yaml

from .. import provenance
from ..bundle.errors import ConfigError, ModelError
from ..bundle.files import new_folder, read_json, write_json, write_text
from ..bundle.symbols import plain
from ..models.known import require_known
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project
from .held import held
from .layout import Layout, find_layout
from .measured import Measured, measure
from .train import WEIGHTS, load_network, write_weights

if TYPE_CHECKING:
    from torch import nn

    from ..bundle.parts import Part
    from .pruning_steps import Pruning, Round

__all__ = ["VERB", "run"]

VERB = "prune"
#: What a round leaves of the multiply-adds, where it is asked for a loss.
SLOWLY = 0.75
#: Examples whose explanations are compared with those of the network before.
COMPARED = 100

log = logging.getLogger(__name__)


def run(
    project: Project, config: Config, *, study: bool = False, part: Part | None = None, suggest: bool = False
) -> dict[str, Any]:
    """Make a smaller network of the trained one; write ``runs/<name>/train/`` and ``configs/<name>.yaml``.

    In rounds, each judges the channels of all layers on training examples (``prune.criterion``), takes away those that
    matter least, and trains what is left for ``prune.epochs``. A round that is finished isn't done again, and one that
    was interrupted goes on at its last checkpoint. All further verbs take the new configuration by ``--config``.

    With ``study`` it compares criteria and budgets instead (`fair_hep.project.prune_study`), with ``part`` a part of
    these only. With ``suggest`` it only says which features, neighbours and elements are needed
    (`fair_hep.project.suggest`).

    Raises
    ------
    MissingStepError
        If there are no data or weights.
    ConfigError
        If nothing is asked for, something unknown, or the new name is taken by another network.
    ModelError
        If the network can't get as small, has nothing to prune, or a layer isn't known.
    ExplainError
        If channels are judged by relevance and nothing has any.
    ProjectError
        If another training runs there.
    """
    if study and suggest:
        raise ConfigError("--study, --suggest: one or the other")
    if suggest:
        from .suggest import run as suggestions

        return suggestions(project, config)
    if study:
        from .prune_study import study as compare

        return compare(project, config, part=part)
    if part is not None:
        raise ConfigError("--part: only a study has parts; write --study too")
    layout = find_layout()
    _refuse(project, config, layout)
    name = config.prune.name or f"{config.name}-pruned"
    target = project.run(name, "train")
    with held(target.parent, "a pruning"):
        return _pruned(project, config, name, layout)


def _refuse(project: Project, config: Config, layout: Layout) -> None:
    settings = config.prune
    if settings.empty:
        raise ConfigError(
            "prune: how small isn't said: prune.macs=0.5 leaves half of the multiply-adds, prune.parameters=0.3 so "
            "many parameters, prune.loss=0.01 what the decisive metric may lose; or prune.neighbours, prune.features"
        )
    if settings.loss is not None and (settings.macs or settings.parameters):
        raise ConfigError("prune.loss: the smallest network within a loss is sought; leave macs and parameters out")
    if layout.launcher != "lightning":
        raise ConfigError(f"prune: {layout.launcher} started several processes; it trains in one: start it alone")
    require_known(recipe(project), config)
    name = settings.name or f"{config.name}-pruned"
    if name == config.name:
        raise ConfigError(f"prune.name: got {name!r}, the name of what is pruned; expected another")
    made = project.run(name, "train") / provenance.FILE
    if made.is_file() and read_json(made)["command"] != VERB:
        raise ConfigError(f"runs/{name}/train holds another network: give this one another name (prune.name=...)")


def _pruned(project: Project, config: Config, name: str, layout: Layout) -> dict[str, Any]:
    from .pruning_steps import prepare

    parent, pruning = load_network(project, config), prepare(project, config, name, project.run(name, "prune"))
    val = pruning.split("val")
    before = measure(config, pruning.model, parent, val)
    made, after, rounds = _in_rounds(pruning, parent, before, val, layout)
    told = _told(pruning, parent, made, (before, after), val)
    _written(pruning, made, rounds, told)
    folder = str(project.run(name, "train").relative_to(project.root))
    return {"headline": _headline(told, name), "folder": folder, "configuration": f"configs/{name}.yaml", **told}


# -- rounds ------------------------------------------------------------------------------------------------------------
def _in_rounds(
    pruning: Pruning, parent: nn.Module, before: Measured, val: Any, layout: Layout
) -> tuple[Round, Measured, list[Round]]:
    """Return the last network that is wanted, how good it is, and all rounds that led to it."""
    settings = pruning.config.prune
    first = pruning.begin(parent)
    rounds: list[Round] = []
    known = before
    full = pruning.cost(parent)
    for number, fits in enumerate(_budgets(pruning, full), 1):
        try:
            made = pruning.next(rounds[-1] if rounds else first, number, fits, layout)
        except ModelError:
            if settings.loss is None or not rounds:
                raise
            break
        found = measure(pruning.config, pruning.model, made.network, val)
        if settings.loss is not None and found.value < before.value - settings.loss:
            break
        rounds, known = [*rounds, made], found
    if not rounds:
        raise ModelError(
            f"prune.loss={settings.loss:g}: the first round loses more of {before.decisive} ({before.value:.4f}, then "
            f"{found.value:.4f}); allow more, or train longer in between (prune.epochs)"
        )
    return rounds[-1], known, rounds


def _budgets(pruning: Pruning, full: Any) -> Iterator[dict[str, float]]:
    """Give for every round what may be left: as large a share goes in each."""
    settings = pruning.config.prune
    asked = {name: getattr(settings, name) for name in ("macs", "parameters")}
    shares = {name: share for name, share in asked.items() if share is not None}
    if settings.loss is not None:
        yield from ({"macs": full.macs * SLOWLY**number} for number in range(1, settings.steps + 1))
    elif not shares:
        yield {}
    else:
        for number in range(1, settings.steps + 1):
            yield {name: getattr(full, name) * share ** (number / settings.steps) for name, share in shares.items()}


# -- what is told ------------------------------------------------------------------------------------------------------
def _told(
    pruning: Pruning, parent: nn.Module, made: Round, measured: tuple[Measured, Measured], val: Any
) -> dict[str, Any]:
    """Return what was pruned, and what that costs and saves, as JSON values."""
    from ..study.agreement import agreement

    full, left, (before, after) = pruning.cost(parent), made.cost, measured
    rules = pruning.compared_by
    indices = range(min(COMPARED, len(val)))
    return {
        "from": pruning.config.name,
        "criterion": pruning.config.prune.criterion,
        "asked": pruning.config.prune.model_dump(mode="json", exclude_defaults=True),
        "macs": {"before": full.macs, "after": left.macs, "share": left.macs / full.macs},
        "parameters": {
            "before": full.parameters, "after": left.parameters, "share": left.parameters / full.parameters,
        },
        "validation": {
            "metric": before.decisive, "before": before.value, "after": after.value, "error": after.error,
            "examples": len(val), "kept": after.value / before.value if before.value else None,
        },
        "explanations": agreement(pruning.model, (parent, made.network), val, list(indices), rules),
        "left": made.pruned.model_dump(mode="json", exclude_defaults=True),
    }  # fmt: skip


def _headline(told: Mapping[str, Any], name: str) -> list[str]:
    metric, same = told["validation"], told["explanations"]
    error = "" if metric["error"] is None else f" +- {metric['error']:.4f}"
    lines = [
        f"pruned from {told['from']} by {told['criterion']}: {told['macs']['share']:.1%} of the multiply-adds "
        f"({told['macs']['after']:,.0f} for an example), {told['parameters']['share']:.1%} of the parameters",
        f"{plain(metric['metric'])} on {metric['examples']:,} validation examples: {metric['after']:.4f}{error}, "
        f"before {metric['before']:.4f}",
    ]
    if "rank_correlation" in same:
        lines.append(
            f"explanations of {same['examples']} examples, rank correlation of elements with those before: "
            f"{same['rank_correlation']:.3f} +- {same['rank_correlation_error']:.3f}"
            + (f"; {same['same_edges'][-1]:.0%} of the foremost edges are the same" if "same_edges" in same else "")
        )
    return [*lines, f"go on with: evaluate --config configs/{name}.yaml"]


# -- what is written ---------------------------------------------------------------------------------------------------
def _written(pruning: Pruning, made: Round, rounds: list[Round], told: Mapping[str, Any]) -> None:
    """Write weights, provenance and configuration; they take the place of those of an earlier pruning."""
    project, config = pruning.project, pruning.configured(made.pruned)
    parent = read_json(project.run(pruning.config.name, "train") / provenance.FILE)
    trained = [one.training for one in rounds if one.training]
    base = {**parent["result"], **(trained[-1] if trained else {})}
    base.pop("history", None)
    result = {
        **base,
        "parameters": made.cost.parameters,
        "seconds": round(sum(one["seconds"] for one in trained), 1),
        "weights": str((project.run(pruning.name, "train") / WEIGHTS).relative_to(project.root)),
    }
    more = {"about": parent["about"]} if "about" in parent else {}
    folder = project.run(pruning.name, "train")
    with new_folder(folder) as temporary:
        write_weights(made.network, temporary / WEIGHTS)
        write_json(temporary / "configuration.json", config.model_dump(mode="json", by_alias=True))
        write_json(
            temporary / "rounds.json",
            [{"cost": one.cost._asdict(), "removed": one.removed, "training": one.training} for one in rounds],
        )
        provenance.record(
            temporary, project, config, VERB, inputs=pruning.made_from, result=result, pruned=dict(told), **more
        )
    write_text(project.root / "configs" / f"{pruning.name}.yaml", _configuration(config))


def _configuration(config: Config) -> str:
    """Return the configuration as YAML: what differs from the defaults."""
    values = config.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"prune"})
    ordered = {"name": values.pop("name"), **values}
    head = f"# Written by `prune`, which made runs/{config.name}/train: `train` would begin with random weights.\n"
    return head + yaml.safe_dump(ordered, sort_keys=False, default_flow_style=None, width=120)
