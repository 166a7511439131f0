"""What ``prune --suggest`` does: say which features, neighbours and elements a trained network needs.

Relevance says in which order they go, the decisive metric on validation examples how many may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import provenance
from ..bundle.errors import ConfigError
from ..bundle.files import new_folder, write_json
from ..models.building import Pruned, pruned_of
from ..models.known import require_known
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project
from .data import store_folder
from .measured import measure
from .suggestion_lines import lines
from .train import WEIGHTS, load_network

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from ..bundle import TensorSpec
    from ..models.contract import Model
    from ..provenance.configuration import ExplainRules
    from ..pruning.needed import Graph, Relevant
    from .suggestions import Bench

__all__ = ["COMMAND", "ERRORS", "run"]

COMMAND = "prune --suggest"
#: How many of its errors the decisive metric may lose, where nothing else is asked for.
ERRORS = 2.0
#: As many validation examples, where nothing else is asked for; their elements, and those of what is explained.
MEASURED, ELEMENTS = 1000, 100_000
#: Validation examples on which costs are counted.
COUNTED = 16
#: The option of data that keeps the first elements of an example.
OPTION = "max_constituents"


def run(project: Project, config: Config) -> dict[str, Any]:
    """Say what a trained network needs; write ``runs/<name>/prune/suggestions/`` with tables and figures.

    Relevance is that of ``prune.examples`` training examples (of elements: of the validation examples), the metric that
    of ``prune.suggest_examples`` validation examples; of large ones there are fewer, of `ELEMENTS` elements together.
    Nothing is trained.

    Raises
    ------
    MissingStepError
        If there are no data or weights.
    ConfigError
        If a setting is unknown, or it isn't known what the metric may lose.
    ExplainError
        If nothing has any relevance, or the network can't be explained.
    """
    require_known(recipe(project), config)
    asked = _Asked.of(project, config)
    bench = asked.bench()
    found = {name: getattr(asked, name)(bench) for name in ("features", "neighbours", "elements")}
    told = {
        "metric": {"name": bench.before.decisive, "value": bench.before.value, "error": bench.before.error},
        "may_lose": {"value": bench.may_lose, "errors": ERRORS if config.prune.loss is None else None},
        "examples": {"measured": len(bench.dataset), "explained": len(asked.explained)},
        **found,
        "together": _together(bench, found),
    }
    headline = list(lines(told))
    folder = project.run(config.name, "prune") / "suggestions"
    files = _written(asked, folder, told, headline)
    return {"headline": headline, "folder": str(folder.relative_to(project.root)), "files": files, **told}


def _together(bench: Bench, found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Try all that is suggested at once; None if that isn't several things."""
    from .suggestions import together

    changes = [found[name].get("change") for name in ("features", "neighbours", "elements")]
    if sum(change is not None for change in changes) < 2:
        return None
    first, second, elements = changes
    pruned = Pruned(**(first or {}), **(second or {}))
    return together(bench, pruned, None if elements is None else next(iter(elements.values())))


def _written(asked: _Asked, folder: Path, told: Mapping[str, Any], headline: Sequence[str]) -> list[str]:
    from .suggestion_figures import draw

    with new_folder(folder) as temporary:
        write_json(temporary / "suggestions.json", {**told, "headline": list(headline)})
        files = ["suggestions.json", *draw(told, temporary)]
        provenance.record(temporary, asked.project, asked.config, COMMAND, inputs=asked.inputs)
    return files


# -- what is asked -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Asked:
    """A trained network, its data, and how it is explained."""

    project: Project
    config: Config
    model: Model
    network: nn.Module
    rules: ExplainRules
    train: Any
    val: Any
    inputs: Mapping[str, str]

    @classmethod
    def of(cls, project: Project, config: Config) -> _Asked:
        from torch.utils.data import Subset

        from ..data.store import Store
        from ..models.explaining import rules_of
        from ..pruning.drawn import draw, no_more_elements

        model, stores = recipe(project), store_folder(project, config)
        for split in ("train", "val"):
            provenance.require(stores / split, "data", project.root)
        network = load_network(project, config)
        files = (project.run(config.name, "train") / WEIGHTS, *(stores / s / "store.json" for s in ("train", "val")))
        train, val = (model.dataset(Store(stores / split), **config.data.options) for split in ("train", "val"))
        drawn = draw(len(val), config.prune.suggest_examples or MEASURED, config.seed)  # type: ignore[arg-type]
        if config.prune.suggest_examples is None:
            drawn = no_more_elements(model, val, drawn, ELEMENTS, config.seed)
        explain = config.explain.model_copy(update={"precision": "float32"})
        if config.prune.composite is not None:
            explain = explain.model_copy(update={"composite": config.prune.composite})
        return cls(
            project, config, model, network, rules_of(model, explain), train, Subset(val, drawn),
            provenance.checksums(project.root, *files),
        )  # fmt: skip

    def bench(self) -> Bench:
        """Return where smaller networks are tried.

        Raises
        ------
        ConfigError
            If it isn't known what the metric may lose.
        """
        from .suggestions import Bench

        settings = self.config.prune
        _ = self._relevant  # what is constant has no error either
        before = measure(self.config, self.model, self.network, self.val)
        if settings.loss is None and not before.error:
            raise ConfigError(
                f"prune --suggest: the evaluation gives no error of {before.decisive}: say how much of it may be lost, "
                "prune.loss=0.01"
            )
        may_lose = ERRORS * (before.error or 0.0) if settings.loss is None else settings.loss
        few = self.val.__getitems__(range(min(COUNTED, len(self.val))))
        arrays = {spec.name: few[spec.name].numpy() for spec in self.model.inputs if spec.name in few}
        return Bench(self.model, self.network, self.val, self.config, before, may_lose, arrays)

    # -- questions -----------------------------------------------------------------------------------------------------
    def features(self, bench: Bench) -> dict[str, Any]:
        """Say which features are needed."""
        from .suggestions import features

        count = pruned_of(self.config.model).features
        return features(bench, count or self.model.features.columns, self._relevant.features)

    def neighbours(self, bench: Bench) -> dict[str, Any]:
        """Say how many neighbours are needed."""
        from .suggestions import neighbours

        if not self._graphs:
            return {"reason": "the network finds no neighbours"}
        return neighbours(bench, self._graphs, self._relevant)

    def elements(self, bench: Bench) -> dict[str, Any]:
        """Say how many elements are needed."""
        from ..pruning.drawn import in_batches
        from ..pruning.needed import of_elements
        from .suggestions import elements

        spec, places = self.model.inputs[0], range(len(self.val))
        if not spec.set_axis:
            return {"reason": "an example is no set of elements"}
        if any(output.set_axis for output in self.model.outputs):
            return {"reason": "every element has an answer of its own, so that none can be left out; see neighbours"}
        values = self.val.__getitems__(places)[spec.name]
        real = (values != 0).any(-1)
        batches = list(in_batches(self.model, self.val, places))
        shares = of_elements(self.model, self.network, batches, self.rules, (real.shape[0], real.shape[1]))
        has_option = OPTION in getattr(self.model.settings().get("data.options"), "model_fields", {})
        found = elements(bench, shares, real, option=f"data.options.{OPTION}" if has_option else None)
        return {"order": _order(spec, values.numpy()), **found}

    @cached_property
    def _graphs(self) -> Sequence[Graph]:
        from ..pruning.needed import graphs_of

        return graphs_of(self.model, self.network)

    @cached_property
    def explained(self) -> Sequence[int]:
        """Which training examples are explained."""
        from ..pruning.drawn import draw, no_more_elements

        drawn = draw(len(self.train), self.config.prune.examples, self.config.seed)
        return no_more_elements(self.model, self.train, drawn, ELEMENTS, self.config.seed)

    @cached_property
    def _relevant(self) -> Relevant:
        from ..pruning.drawn import in_batches
        from ..pruning.needed import relevant

        batches = [batch for _, batch in in_batches(self.model, self.train, self.explained)]
        return relevant(self.model, self.network, batches, self.rules, self._graphs)


def _order(spec: TensorSpec, values: np.ndarray) -> str:
    """Say in which order the elements of examples are: by falling pT, if that holds for these."""
    from ..bundle.derived import Elements
    from ..bundle.quantities import KNOWN, derive, needed

    if needed("pt", set(spec.columns) & KNOWN) is not None:
        found = Elements(spec, values)
        pt = derive("pt", found.columns)
        same = found.example[1:] == found.example[:-1]
        # As far as single precision tells them apart.
        if bool((pt[1:] <= pt[:-1] * (1 + 1e-4))[same].all()):
            return "by falling pT"
    return "as stored"
