"""Networks that reconstruct particles from tracks and towers: all of the contract that doesn't differ between them.

A model says what goes in and comes out (`inputs`, `outputs`, `targets`, `features`), which files are for what
(`published`), how events are generated (`simulate`), and makes its network (`build`) and its loss. Everything else has
a default here that can be replaced. Events come in the layout of the MLPF data set (DOI 10.5281/zenodo.4559324),
outputs are logits of `CLASSES` and `MOMENTA`; the network's body is a `GravNetBody`, whose relevance can be followed
in whole events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bundle.errors import ConfigError
from ..bundle.strict import validate
from ..models.contract import Evaluation, Model
from ..pages.interactive import Widget
from .captions import CAPTIONS, HEADLINE, MEASURES
from .labels import FeatureNames
from .options import DataOptions, EventStudyOptions

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn
    from torch.utils.data import Dataset

    from ..bundle.domain import Quantity
    from ..bundle.parts import Part
    from ..bundle.strict import Strict
    from ..data.blocks import Blocks
    from ..data.store import Store
    from ..models.contract import Arrays
    from ..provenance.configuration import Config

__all__ = ["ParticleFlowModel"]


class ParticleFlowModel(Model):
    """A network that gives every track and tower of an event a class and a momentum."""

    #: Names of features for figures (formulas) and for pages (plain text); a feature without keeps its own name.
    labels: Mapping[str, tuple[str, str]] = {}
    #: Features that come from generator truth: the study tells what they carry.
    truth_features: Sequence[str] = ()
    #: Quantity and class of what an evaluation tells in a line, with its words.
    headline: Mapping[tuple[str, str], str] = HEADLINE
    #: What may be chosen about the study; a model may have more of its own.
    study_options: type[EventStudyOptions] = EventStudyOptions
    suffixes = (".bz2", ".bzip2")

    def __init_subclass__(cls, **options: Any) -> None:
        """Add what is usually measured and drawn to what a model says itself."""
        super().__init_subclass__(**options)
        if "name" in vars(cls):
            cls.measures = {f"{cls.name}_*": "of this network", **MEASURES, **cls.measures}
            cls.captions = {**CAPTIONS, **cls.captions}

    @property
    def feature_names(self) -> FeatureNames:
        """Names of the features, as figures and pages show them."""
        return FeatureNames.of(self.features.columns, self.labels)

    # -- the network ---------------------------------------------------------------------------------------------------
    def example(self, size: int, seed: int) -> dict[str, Tensor]:
        """Return synthetic events of 1 to 60 tracks and towers."""
        from .synthetic import events

        return events(size, seed)

    def settings(self) -> Mapping[str, type[Strict]]:
        """Return the classes of options: the recipe's own where it has them."""
        return {"data.options": DataOptions, **super().settings(), "explain.options": self.study_options}

    # -- data ----------------------------------------------------------------------------------------------------------
    def simulate(
        self, folder: Path, *, size: int, seed: int, processes: int, **options: Any
    ) -> Mapping[str, Sequence[Path]]:
        """Refuse: there is no generator, unless a model has its own."""
        raise ConfigError(f"{self.title} has no generator: set data.source to sample, folder or doi")

    def convert(
        self, files: Sequence[Path], folder: Path, *, processes: int = 0, part: Part | None = None, **options: Any
    ) -> Mapping[str, Any]:
        """Convert files in the layout of the MLPF data set."""
        from .reader import convert

        return convert(files, folder, processes=processes, part=part, **options)

    def read(self, file: Path, size: int, **options: Any) -> Iterator[Mapping[str, Sequence[np.ndarray]]]:
        """Read the elements of events."""
        from .reader import read_elements

        for events in read_elements(file, size):
            yield {self.inputs[0].name: events}

    def dataset(self, store: Store, **options: Any) -> Dataset[Any]:
        """Return the events of a store, whole."""
        from .dataset import EventDataset

        return EventDataset(store, **options)

    def domain(self) -> Sequence[Quantity]:
        """Return the number of elements of an event, and pseudorapidity and energy of each."""
        from ..bundle.domain import Quantity

        name = self.inputs[0].name
        described = (
            ("elements", "number of elements", "1", "length", ""),
            ("eta", "eta of an element", "1", "each", "eta"),
            ("energy", "p (track) or energy (tower) of an element", "GeV", "each", "p_or_energy"),
        )
        return tuple(
            Quantity(name=key, title=title, unit=unit, input=name, of=of, value=value)
            for key, title, unit, of, value in described
        )

    # -- evaluation ----------------------------------------------------------------------------------------------------
    def evaluate(self, outputs: Arrays, targets: Arrays, folder: Path) -> Evaluation:
        """Compare with rule-based particle flow on the same events."""
        from .evaluation import evaluate

        return evaluate(outputs, targets, folder, name=self.name, title=self.title, headline=self.headline)

    def not_worse(self, outputs: Arrays, champion: Arrays, targets: Arrays) -> tuple[bool, str]:
        """Compare the decisive metric, event by event."""
        from .evaluation import not_worse

        return not_worse(outputs, champion, targets)

    # -- explanation ---------------------------------------------------------------------------------------------------
    def study(
        self, network: nn.Module, datasets: Mapping[str, Dataset[Any]], config: Config, folder: Path
    ) -> Mapping[str, Any]:
        """Explain events: relevance maps of every class and momentum, and event displays."""
        from .study import Subject, study

        subject = Subject(self.title, self.feature_names, self.truth_features)
        config, options = self._rules(config)
        return study(subject, network, datasets, config, folder, options=options)

    def explanations(
        self, network: nn.Module, datasets: Mapping[str, Dataset[Any]], config: Config, folder: Path
    ) -> Sequence[Blocks]:
        """Return the relevance maps of all events."""
        from .study import explanations

        config, options = self._rules(config)
        return (explanations(network, datasets, config, options=options),)

    def _rules(self, config: Config) -> tuple[Config, EventStudyOptions]:
        """Return the configuration with nothing left open, and the options of the study."""
        from ..models.explaining import rules_of

        options = validate(self.study_options, config.explain.options, "explain.options")
        return config.model_copy(update={"explain": rules_of(self, config.explain)}), options

    # -- the report ----------------------------------------------------------------------------------------------------
    def widgets(self, evaluation: Path, explanation: Path | None) -> Sequence[Widget]:
        """Return the interactive parts of the report."""
        from .interactive import interactive_widgets

        return tuple(interactive_widgets(evaluation, explanation, self.feature_names.plain))
