"""The check of what a recipe measures and draws: whatever it asks of the data is asked here, before a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..bundle.errors import ProjectError
from ..provenance.configuration import Config
from .explaining import unexplained
from .learning import sample_of
from .running import step
from .trial import Broken, NotPossible, Trial, promise

__all__ = ["figures_are_drawn"]

#: Examples that are evaluated and explained, and events that are evaluated.
EVALUATED, EXPLAINED, EVENTS = 100, 8, 3
#: Options of a study that make it short, where it has them: what they leave out is the library's own.
SHORT: Mapping[str, Any] = {"controls": 0, "trust": 0, "stability": 0, "processes": 1}


@promise("leave a measure or a figure out where the columns of the inputs don't give it, or correct what is named")
def figures_are_drawn(trial: Trial) -> None:
    """A few examples of the sample are evaluated and explained, with all that the recipe measures and draws."""
    with TemporaryDirectory() as folder:
        try:
            dataset = sample_of(trial, Path(folder))
        except ProjectError as error:
            raise NotPossible("there are no examples: see dataset_fits") from error
        events = any(spec.set_axis for spec in trial.model.outputs)
        some = _some(dataset, EVENTS if events else EVALUATED)
        _quietly("the evaluation", lambda: _evaluated(trial, some, Path(folder)))
        if events:
            return  # maps of all elements of an event take minutes, and the library draws them
        if unexplained(trial):
            raise NotPossible("nothing explains the network yet: see rule_for_every_module")
        _quietly("the study", lambda: _studied(trial, _some(dataset, EXPLAINED), Path(folder)))


def _quietly(what: str, attempt: Any) -> None:
    """Do one step; an error of ours is about the few examples, and no mistake of the recipe."""
    try:
        step(what, attempt)
    except (Broken, NotPossible):
        raise
    except ProjectError as error:
        raise NotPossible(f"{what} of a few examples says: {error}") from error


def _evaluated(trial: Trial, some: Any, folder: Path) -> None:
    from ..tagging.applied import apply, derived

    model, place = trial.model, folder / "evaluate"
    outputs, targets = apply(model, trial.network(), some, EVALUATED)
    baselines = model.baselines({"val": some, "test": some}, EVALUATED)
    fourth = (baselines,) if baselines else ()
    place.mkdir()
    model.evaluate(outputs, {**targets, **derived(model, some, EVALUATED)}, place, *fourth)


def _studied(trial: Trial, some: Any, folder: Path) -> None:
    place = folder / "explain"
    place.mkdir()
    trial.model.study(trial.network(), {"val": some, "test": some}, _short(trial), place)


def _short(trial: Trial) -> Config:
    """Return the configuration with a study of a few examples, one drawn of each class."""
    asked = trial.config.explain
    kind = trial.model.settings().get("explain.options")
    known = kind.model_fields if kind else {}
    options = {**asked.options, **{name: value for name, value in SHORT.items() if name in known}}
    explain = asked.model_copy(update={"size": EXPLAINED, "figures": min(1, asked.figures), "options": options})
    return trial.config.model_copy(update={"explain": explain})


def _some(dataset: Any, count: int) -> Any:
    """Return examples from all over a data set: files are often sorted by class."""
    import numpy as np
    from torch.utils.data import Subset

    chosen = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(int)
    return Subset(dataset, chosen.tolist())
