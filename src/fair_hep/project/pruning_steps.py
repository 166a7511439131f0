"""One round of pruning: judge channels, take the least away, train what is left; kept, so that it isn't done twice."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import provenance
from ..bundle.errors import DataError
from ..bundle.files import read_json, write_json
from ..models.building import PRUNED, Pruned, build, of_recipe, pruned_of, smaller, widths_of
from ..models.explaining import rules_of
from ..models.recipe import recipe
from ..pruning.choosing import choose
from ..pruning.cost import Cost, cost_of
from ..pruning.criteria import Subject, scores_of
from ..pruning.drawn import draw, in_batches
from ..pruning.groups import Removed, find_groups, without
from ..pruning.verified import require_unheard
from .data import store_folder
from .layout import Layout
from .seeds import training_seed
from .train import WEIGHTS, write_weights

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..models.contract import Batch, Model
    from ..provenance.configuration import Config, ExplainRules
    from ..provenance.project import Project

__all__ = ["Pruning", "Round", "prepare"]

#: What a round noted of itself, written last.
DONE = "round.json"
#: The weights that the training of a round begins with.
START = "start.safetensors"
#: Examples that costs are counted on.
COUNTED = 8

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Round:
    """A network on its way to a smaller one."""

    network: nn.Module
    pruned: Pruned
    cost: Cost
    #: What its training noted; empty without one.
    training: Mapping[str, Any]
    #: Channels that were taken from each group in this round.
    removed: Mapping[str, int]


@dataclass(frozen=True)
class Pruning:
    """What is pruned, and where it is kept.

    Parameters
    ----------
    project, config
        The configuration of the network that is pruned.
    model, stores
        Its recipe and its data.
    name
        Of the configuration that is made.
    folder
        Where rounds are kept.
    made_from
        Checksums of what all rounds are made from.
    """

    project: Project
    config: Config
    model: Model
    stores: Path
    name: str
    folder: Path
    made_from: Mapping[str, str]

    def begin(self, network: nn.Module) -> Round:
        """Return the network that is pruned, with the neighbours and features that are asked for."""
        asked, known = self.config.prune, pruned_of(self.config.model)
        neighbours = {**known.neighbours, **asked.neighbours}
        features = known.features if asked.features is None else asked.features
        change = Pruned(neighbours=asked.neighbours, features=asked.features)
        pruned = known.model_copy(update={"neighbours": neighbours, "features": features})
        made = smaller(self.model, network, change)
        return Round(made, pruned, self.cost(made), {}, {})

    def split(self, name: str) -> Any:
        """Return the data set of a split; of those that aren't learned from, as many examples as are evaluated."""
        from ..data.batches import first
        from ..data.store import Store

        whole: Any = self.model.dataset(Store(self.stores / name), **self.config.data.options)
        return whole if name == "train" else first(whole, self.config.evaluate.limit)

    @property
    def compared_by(self) -> ExplainRules:
        """How explanations are made that are compared: as configured, in single precision."""
        plain = {"precision": "float32", "bias": "absorb"}
        return rules_of(self.model, self.config.explain.model_copy(update=plain))

    def cost(self, network: nn.Module) -> Cost:
        """Count what a network costs, on some training examples."""
        return cost_of(network, self._inputs)

    def next(self, before: Round, number: int, fits: Mapping[str, float], layout: Layout) -> Round:
        """Make a smaller network of the one before: at most so many ``macs`` or ``parameters`` are left.

        Raises
        ------
        ModelError
            If it can't get as small, or there is nothing to prune.
        ExplainError
            If channels are judged by relevance and nothing has any.
        """
        folder = self.folder / f"round-{number}"
        made_from = self._made_from(before, fits)
        if (known := self._known(folder, made_from)) is not None:
            log.info("round %d is there already", number)
            return known
        start = folder / START
        if not _belongs(folder, made_from):
            network, pruned, removed = self._taken_away(before, fits)
            shutil.rmtree(folder, ignore_errors=True)
            write_weights(network, start)
            write_json(folder / "begun.json", {"made_from": made_from, "pruned": _plain(pruned), "removed": removed})
        begun = read_json(folder / "begun.json")
        pruned = Pruned.model_validate(begun["pruned"])
        network, training = self._trained(folder, start, pruned, layout)
        write_weights(network, folder / WEIGHTS)
        made = Round(network, pruned, self.cost(network), training, begun["removed"])
        write_json(folder / DONE, {"cost": made.cost._asdict(), "training": training, **begun})
        log.info("round %d: %.1f %% of the multiply-adds left", number, 100 * made.cost.macs / before.cost.macs)
        return made

    def at_start(self, number: int, pruned: Pruned) -> nn.Module:
        """Return the network of a round as its training found it."""
        from safetensors.torch import load_file

        network = build(self.model, self.configured(pruned).model)
        network.load_state_dict(load_file(self.folder / f"round-{number}" / START))
        return network.eval()

    def configured(self, pruned: Pruned) -> Config:
        """Return the configuration of what is made."""
        model = {**of_recipe(self.config.model), PRUNED: _plain(pruned)}
        # One network is made, of the first training where there were several.
        train = self.config.train.model_copy(update={"seeds": 1})
        return self.config.model_copy(update={"name": self.name, "model": model, "train": train})

    # -- one round -----------------------------------------------------------------------------------------------------
    def _taken_away(self, before: Round, fits: Mapping[str, float]) -> tuple[nn.Module, Pruned, dict[str, int]]:
        settings, network = self.config.prune, before.network
        if not fits:
            return network, before.pruned, {}
        features = self._features(network)
        groups = find_groups(network.get_submodule("body"), features, keep=settings.keep)
        scores = scores_of(settings.criterion, self._subject(network), groups)

        def small(removed: Removed) -> bool:
            cost = self.cost(_with_body(network, without(network.get_submodule("body"), groups, removed)))
            return all(getattr(cost, name) <= most for name, most in fits.items())

        removed = choose(groups, scores, small, smallest=settings.smallest, most=settings.most)
        require_unheard(network.get_submodule("body"), features, groups, removed)
        made = _with_body(network, without(network.get_submodule("body"), groups, removed))
        full = self.model.build(**of_recipe(self.config.model))
        pruned = before.pruned.model_copy(update={"widths": widths_of(made, full)})
        return made, pruned, {name: len(places) for name, places in removed.items() if len(places)}

    def _features(self, network: nn.Module) -> tuple[Any, ...]:
        """Return what the features of some examples are, and what else the body takes."""
        import torch

        with torch.no_grad():
            found = network.get_submodule("features")(**self._inputs)
        return found if isinstance(found, tuple) else (found,)

    def _trained(
        self, folder: Path, start: Path, pruned: Pruned, layout: Layout
    ) -> tuple[nn.Module, Mapping[str, Any]]:
        from safetensors.torch import load_file

        from .training import fit

        config = self.configured(pruned)
        if not self.config.prune.epochs:
            network = build(self.model, config.model)
            network.load_state_dict(load_file(start))
            return network.eval(), {}
        train = config.train.model_copy(update={"epochs": self.config.prune.epochs, "devices": 1, "nodes": 1})
        config = config.model_copy(update={"train": train})
        resume = (folder / "checkpoints" / "last.ckpt").is_file()
        done = fit(
            self.project, config, folder, self.stores, layout=layout, resume=resume, start=None if resume else start
        )
        return done.network, {**done.summary, "history": done.history}

    def _subject(self, network: nn.Module) -> Subject:
        explain = self.config.explain
        if self.config.prune.composite is not None:
            explain = explain.model_copy(update={"composite": self.config.prune.composite})
        rules = rules_of(self.model, explain)
        return Subject(self.model, network, self._batches, rules, self.config.train.loss, training_seed(self.config))

    @cached_property
    def _batches(self) -> Sequence[Batch]:
        """Some training examples, drawn by the seed, those of like size together."""
        dataset = self.split("train")
        indices = draw(len(dataset), self.config.prune.examples, self.config.seed)
        found = [batch for _, batch in in_batches(self.model, dataset, indices)]
        if not found:
            raise DataError(f"none of the {len(indices)} training examples that channels are judged on has an element")
        return found

    @cached_property
    def _inputs(self) -> dict[str, Tensor]:
        """Inputs of some examples of middling size."""
        middle = self._batches[len(self._batches) // 2]
        return {spec.name: middle[spec.name][:COUNTED] for spec in self.model.inputs if spec.name in middle}

    # -- what is kept --------------------------------------------------------------------------------------------------
    def _known(self, folder: Path, made_from: str) -> Round | None:
        """Return a round that is finished and was made from the same."""
        from safetensors.torch import load_file

        if not (folder / DONE).is_file() or not _belongs(folder, made_from):
            return None
        done = read_json(folder / DONE)
        pruned = Pruned.model_validate(done["pruned"])
        network = build(self.model, self.configured(pruned).model)
        network.load_state_dict(load_file(folder / WEIGHTS))
        return Round(network.eval(), pruned, Cost(**done["cost"]), done["training"], done["removed"])

    def _made_from(self, before: Round, fits: Mapping[str, float]) -> str:
        """Return a checksum of all that a round depends on."""
        config = self.config.model_dump(mode="json", include={"seed", "model", "data", "train", "explain", "prune"})
        text = json.dumps([config, self.made_from, _plain(before.pruned), dict(fits)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def prepare(project: Project, config: Config, name: str, folder: Path) -> Pruning:
    """Return what is needed to prune the trained network of a configuration.

    Raises
    ------
    MissingStepError
        If there are no data or weights.
    """
    provenance.require(project.run(config.name, "train"), "train", project.root)
    stores = store_folder(project, config)
    for split in ("train", "val"):
        provenance.require(stores / split, "data", project.root)
    files = [
        project.run(config.name, "train") / WEIGHTS,
        *(stores / split / "store.json" for split in ("train", "val")),
    ]
    made_from = provenance.checksums(project.root, *files)
    return Pruning(project, config, recipe(project), stores, name, folder, made_from)


def _belongs(folder: Path, made_from: str) -> bool:
    begun = folder / "begun.json"
    return begun.is_file() and read_json(begun)["made_from"] == made_from


def _plain(pruned: Pruned) -> dict[str, Any]:
    """Return what differs from the recipe's network, as JSON values."""
    plain: dict[str, Any] = pruned.model_dump(mode="json", exclude_defaults=True)
    return plain


def _with_body(network: nn.Module, body: nn.Module) -> nn.Module:
    import copy

    made = copy.copy(network)
    made._modules = {**network._modules, "body": body}
    return made
