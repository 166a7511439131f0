"""Networks that classify sets of particles: all of the contract that doesn't differ between them.

A model says what goes in and comes out (`inputs`, `outputs`, `targets`, `features`, by `specs`), which columns of its
files are what (`columns`), and makes its network (`build`). Everything else has a default here that can be replaced:
two classes or more, with edges or without.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ..bundle.columns import Columns
from ..bundle.errors import ConfigError, DataError
from ..bundle.strict import Strict, validate
from ..data.column_reader import SUFFIXES, Reader
from ..models.contract import SPLITS, Evaluation, Model
from ..pages.interactive import Widget
from . import many_classes, two_classes
from .baselines import choose_cuts, observed
from .beside import BASELINE_MEASURES
from .bins import in_bins
from .calibration import calibration, draw_reliability, stated

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn
    from torch.utils.data import Dataset

    from ..bundle.domain import Quantity
    from ..bundle.parts import Part
    from ..data.blocks import Blocks
    from ..data.store import Store
    from ..models.contract import Arrays, Baseline, Batch
    from ..provenance.configuration import Config
    from ..study.case import Study
    from .baselines import Observables

__all__ = ["EVERY_MEASURE", "Classifier", "DataOptions", "LossOptions"]

log = logging.getLogger(__name__)
#: What is measured whatever the number of classes.
EVERY_MEASURE: Mapping[str, str] = {
    "calibration_error": "expected calibration error: mean distance between the probability that is stated and the "
    "share for which it came true, over ten bins of equally many examples",
    "calibration_error_by_chance": "what a perfectly calibrated network would show on as many examples",
    "*_bin*": "the measure in a quarter of the test split by a quantity; the table gives the ranges",
}
EVERY_CAPTION: Mapping[str, str] = {
    "reliability": "Share that came true against the probability that was stated, in bins of as many test examples; "
    "on the diagonal if calibrated",
    "bins": "The main measure in quarters of the test split by each quantity that is derived of an example; bars span "
    "a quarter. One with fewer than ten examples of a class isn't measured",
}
#: What the figures of the study show, by file name without suffix.
EXPLANATION_CAPTIONS: Mapping[str, str] = {
    "relevance_shares": "Share of the absolute relevance |R| by feature and by rank in pT, for every class: what "
    "speaks for a class and what speaks against it both count",
    "removal": "Explained output while elements are removed or inserted by falling relevance, mean over the examples "
    "of each class (over all, from four classes on); areas are means over all: the best three sets of rules, the plain "
    "ones, gradient x input and a random order",
}


class DataOptions(Strict):
    """Options of the data set: ``data.options`` of the configuration.

    Examples
    --------
    >>> from fair_hep import DataOptions
    >>> DataOptions(max_constituents=40, columns={"unit": "MeV"}).chunk
    8192
    """

    max_constituents: int = Field(128, ge=0, description="elements that a loader keeps, hardest first; 0: all")
    columns: dict[str, Any] = Field({}, description="what differs from the model's own map of columns")
    chunk: int = Field(8192, ge=1, description="examples in memory at a time while files are converted")


class LossOptions(Strict):
    """Options of the loss: ``train.loss`` of the configuration.

    Examples
    --------
    >>> from fair_hep import LossOptions
    >>> LossOptions().label_smoothing
    0.0
    """

    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of a label that is spread over all classes")


class Classifier(Model):
    """A network that gives one logit for each class of a set of particles.

    Examples
    --------
    >>> from fair_hep import Classifier, Columns, class_label, class_logits, element_features, particle_set
    >>> classes, momenta = ("QCD", "top"), ("E", "px", "py", "pz")
    >>> class Tagger(Classifier):
    ...     name, title = "tagger", "Tagger of mine"
    ...     inputs, outputs, targets = (particle_set(),), (class_logits(classes),), (class_label(classes),)
    ...     features = element_features(("log_pt",))
    ...     columns = Columns(elements={name: name for name in momenta})
    ...
    ...     def build(self, **hyperparameters):
    ...         from .network import Network
    ...
    ...         return Network(**hyperparameters)
    >>> tagger = Tagger()
    >>> tagger.target()
    (-1.0, 1.0)
    >>> tagger.published(["train.parquet", "test.parquet", "notes.txt"])
    {'train': ['train.parquet'], 'val': [], 'test': ['test.parquet']}
    """

    #: Which columns of a file are what; ``data.options.columns`` replaces single entries.
    columns: Columns
    #: What may be chosen about the data.
    options: type[DataOptions] = DataOptions
    #: Patterns for names of files, by split, in lower case; they choose among the files of a folder or a record.
    globs: Mapping[str, Sequence[str]] = {"train": ("*train*",), "val": ("*val*",), "test": ("*test*",)}
    #: Signal efficiencies of the working points, with two classes.
    efficiencies: Sequence[float] = two_classes.EFFICIENCIES
    #: What tells two classes apart without a network, such as ``fair_hep.jets.observables.MASS_AND_TAU32``, to be
    #: measured beside it; None: nothing.
    observables: Observables | None = None
    suffixes = SUFFIXES

    def __init_subclass__(cls, **options: Any) -> None:
        """Add what is usually measured and drawn, by the number of classes, to what a model says itself."""
        super().__init_subclass__(**options)
        if "outputs" in vars(cls):
            usual = two_classes if len(cls.outputs[0].columns) == 2 else many_classes
            beside = BASELINE_MEASURES if cls.observables and usual is two_classes else {}
            cls.measures = {**usual.MEASURES, **beside, **EVERY_MEASURE, **cls.measures}
            cls.captions = {**usual.CAPTIONS, **EVERY_CAPTION, **EXPLANATION_CAPTIONS, **cls.captions}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; with two, the first is the background."""
        return self.outputs[0].columns

    # -- the network ---------------------------------------------------------------------------------------------------
    def example(self, size: int, seed: int) -> dict[str, Tensor]:
        """Return synthetic jets of one prong or three; 1 to 60 constituents. Inputs must be four-momenta."""
        from ..models.synthetic import synthetic

        return synthetic(self.inputs[0], len(self.classes), size, seed)

    def settings(self) -> Mapping[str, type[Strict]]:
        """Return the classes of options: the recipe's own where it has them."""
        usual: dict[str, type[Strict]] = {"data.options": self.options, "train.loss": LossOptions}
        return usual | dict(super().settings()) | {"explain.options": self.explanation().options}

    # -- data ----------------------------------------------------------------------------------------------------------
    def simulate(
        self, folder: Path, *, size: int, seed: int, processes: int, **options: Any
    ) -> Mapping[str, Sequence[Path]]:
        """Refuse: there is no generator, unless a model has its own."""
        raise ConfigError(f"{self.title} has no generator: set data.source to sample, folder or doi")

    def published(self, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Sort file names into splits by `globs`; only files of columns count.

        Raises
        ------
        DataError
            If a name belongs to several splits.
        """
        found: dict[str, list[str]] = {split: [] for split in SPLITS}
        for name in names:
            if Path(name).suffix.lower() in SUFFIXES:
                lower = Path(name).name.lower()
                splits = [split for split in SPLITS if any(fnmatchcase(lower, glob) for glob in self.globs[split])]
                if len(splits) > 1:
                    raise DataError(f"{name}: its name fits {' and '.join(splits)}; rename it, or change `globs`")
                for split in splits:
                    found[split].append(name)
        return found

    def reader(self, options: DataOptions) -> Reader:
        """Return what reads the files, by the model's map and what the options change about it."""
        given = {**self.columns.model_dump(), **options.columns}
        return Reader(self.inputs[0], validate(Columns, given, "data.options.columns"), self.classes)

    def convert(
        self, files: Sequence[Path], folder: Path, *, processes: int = 0, part: Part | None = None, **options: Any
    ) -> Mapping[str, Any]:
        """Convert ROOT, Parquet, HDF5 or .npz files by the map of columns; one process reads."""
        from ..data.column_reader import convert

        chosen = validate(self.options, options, "data.options")
        return convert(self.reader(chosen), files, folder, chunk=chosen.chunk, part=part)

    def read(
        self, file: Path, size: int, *, start: int = 0, **options: Any
    ) -> Iterator[Mapping[str, Sequence[np.ndarray]]]:
        """Read the elements of examples, all of them, hardest first."""
        from ..data.column_reader import read

        yield from read(self.reader(validate(self.options, options, "data.options")), file, size, start)

    def rows(self, file: Path, **options: Any) -> int | None:
        """Return how many examples a file has; None where a row holds several."""
        from ..data.column_reader import rows

        return rows(self.reader(validate(self.options, options, "data.options")), file)

    def dataset(self, store: Store, **options: Any) -> Dataset[Any]:
        """Return the examples of a store, cut to the hardest elements."""
        from .set_dataset import SetDataset

        chosen = validate(self.options, options, "data.options")
        return SetDataset(store, max_constituents=chosen.max_constituents, name=self.inputs[0].name)

    def domain(self) -> Sequence[Quantity]:
        """Return pT, ``|eta|``, mass, number and reach of the elements, where the first input tells them."""
        from ..bundle.derived import derivable
        from ..bundle.domain import jet_quantities

        spec = self.inputs[0]
        return tuple(q for q in jet_quantities(spec.name, spec.axes[1]) if derivable(q, spec))

    # -- training and evaluation ---------------------------------------------------------------------------------------
    def loss(self, outputs: Sequence[Tensor], batch: Batch, **options: Any) -> Tensor:
        """Return the mean cross-entropy."""
        from torch.nn import functional

        chosen = validate(LossOptions, options, "train.loss")
        return functional.cross_entropy(outputs[0], batch["label"], label_smoothing=chosen.label_smoothing)

    def baselines(self, datasets: Mapping[str, Dataset[Any]], batch_size: int) -> Mapping[str, Baseline]:
        """Return cuts on each of the `observables`, and on both, chosen on the validation split.

        There are none where the columns of the first input don't give the observables: that is said in the log.
        """
        spec = self.inputs[0]
        if self.observables is None or len(self.classes) != 2:
            return {}
        if not self.observables.given_by(spec.columns):
            names = " and ".join(one.title for one in self.observables.of)
            log.warning("no cuts on %s are measured: the columns %s don't give them", names, ", ".join(spec.columns))
            return {}
        (known, labels), (values, _) = (
            observed(datasets[split], self.observables, spec, batch_size) for split in ("val", "test")
        )
        return choose_cuts(self.observables, known, labels, values)

    def evaluate(
        self, outputs: Arrays, targets: Arrays, folder: Path, baselines: Mapping[str, Baseline] | None = None
    ) -> Evaluation:
        """Measure area, accuracy and rejections of two classes; accuracy, efficiencies and confusions of more.

        Probabilities are compared with what came true, and all is measured in bins of what the `domain` derives. What
        needs no network is measured likewise, and where it is better, that is said first.
        """
        if len(self.classes) == 2:
            background, signal = self.classes
            found = two_classes.evaluate(
                outputs, targets, folder, (background, signal), efficiencies=self.efficiencies, baselines=baselines
            )
        else:
            found = many_classes.evaluate(outputs, targets, folder, self.classes)
        logits, labels = outputs[self.outputs[0].name], targets["label"]
        known = calibration(*stated(logits, labels))
        draw_reliability(
            known, folder / "reliability.png", self.classes[1] if len(self.classes) == 2 else "right choices"
        )
        bins = in_bins(logits, targets, self.domain(), folder)
        drawn = ("reliability.png", *bins.files, *self.figures(outputs, targets, folder))
        told = (
            f"expected calibration error {known.error:.4f} +- {known.spread:.4f} "
            f"({known.chance:.4f} by chance if calibrated)"
        )
        return replace(
            found,
            metrics={**found.metrics, **known.metrics(), **bins.metrics, **self.metrics(outputs, targets)},
            files=(*found.files, *drawn),
            headline=(*found.headline, told),
            tables=(*found.tables, *bins.tables),
            factors=(*found.factors, *bins.factors),
        )

    def metrics(self, outputs: Arrays, targets: Arrays) -> Mapping[str, float]:
        """Return further metrics by name, each with its error under ``NAME_error``; `measures` says what they are."""
        return {}

    def figures(self, outputs: Arrays, targets: Arrays, folder: Path) -> Sequence[str]:
        """Draw further figures of the evaluation; return the names of the files. `captions` says what they show."""
        return ()

    def not_worse(self, outputs: Arrays, champion: Arrays, targets: Arrays) -> tuple[bool, str]:
        """Compare areas (two classes) or accuracies: lower by no more than one paired error is not worse."""
        measure = two_classes if len(self.classes) == 2 else many_classes
        return measure.not_worse(outputs, champion, targets)

    # -- explanation ---------------------------------------------------------------------------------------------------
    def target(self) -> Sequence[float]:
        """Explain the last class against the mean of the others; with two classes, signal minus background.

        A single logit is defined only up to a common shift, so the weights sum to zero.
        """
        others = len(self.classes) - 1
        return (*(-1.0 / others,) * others, 1.0)

    def explanation(self) -> Study:
        """Return what the study does besides explaining: nothing, unless a recipe asks for more in ``explain.py``."""
        from ..study.case import Study

        return Study()

    def study(
        self, network: nn.Module, datasets: Mapping[str, Dataset[Any]], config: Config, folder: Path
    ) -> Mapping[str, Any]:
        """Explain examples: relevance by feature and rank, how far it can be trusted, and what `explanation` adds."""
        from ..study.study import study

        return study(self, network, datasets, config, folder, self.explanation())

    def explanations(
        self, network: nn.Module, datasets: Mapping[str, Dataset[Any]], config: Config, folder: Path
    ) -> Sequence[Blocks]:
        """Return the relevances of all examples, and those of untrained networks."""
        from ..study.study import explanations

        return explanations(self, network, datasets, config, folder, self.explanation())

    # -- the report ----------------------------------------------------------------------------------------------------
    def widgets(self, evaluation: Path, explanation: Path | None) -> Sequence[Widget]:
        """Return the ROC curve of two classes, with a cut to move."""
        from .roc_widget import roc_widget

        if len(self.classes) != 2:
            return ()
        background, signal = self.classes
        return (roc_widget(evaluation, (background, signal), self.efficiencies),)
