"""What a model must offer so that every verb of the project works with it.

A model is the recipe of a project: the package of that project, whose ``__init__.py`` offers ``MODEL``, an instance of
a subclass of `Model`. Nothing in this library names a model. ``check`` tries every promise made here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn
    from torch.utils.data import Dataset

    from ..bundle import TensorSpec
    from ..bundle.domain import Quantity
    from ..bundle.strict import Strict
    from ..data.blocks import Blocks
    from ..data.store import Store
    from ..pages.document import Table
    from ..pages.interactive import Widget
    from ..provenance.configuration import Config

    Batch: TypeAlias = Mapping[str, Tensor]
    Arrays: TypeAlias = Mapping[str, np.ndarray]

__all__ = ["CONTRACT", "SPLITS", "Baseline", "Evaluation", "Model"]

#: Version of this contract. It rises when a recipe that kept every promise might break one.
CONTRACT = 1
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Parameters
    ----------
    metrics
        Scalars by name, each finite: the registry compares these.
    decisive
        Name of the metric (higher is better) that decides whether a new version is worse than the champion.
    files
        Tables and figures that were written, relative to the folder of the evaluation.
    headline
        Lines for a human: the figures reached, with their statistical errors.
    tables
        For the model card: what the headline is drawn from. A study may have such tables too, as JSON values under
        ``tables``.
    factors
        What answers depend on, as it was measured here, one sentence each: for the model card.
    working_points
        Cuts of a tagger of two classes on what its graph gives, as JSON values: see `fair_hep.tagging.cuts`.

    Examples
    --------
    >>> from fair_hep import Evaluation
    >>> found = Evaluation({"auc": 0.98, "auc_error": 0.002}, "auc", headline=("AUC 0.980 +- 0.002",))
    >>> found.metrics[found.decisive]
    0.98
    """

    metrics: Mapping[str, float]
    decisive: str
    files: tuple[str, ...] = ()
    headline: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    factors: tuple[str, ...] = ()
    working_points: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Baseline:
    """What tells the classes apart without a network, on the same examples.

    Parameters
    ----------
    title
        What it cuts on, with its numbers, in words.
    score
        ``[examples]``, finite and larger for the signal; above 0 an example is taken for it.
    """

    title: str
    score: np.ndarray


class Model(ABC):
    """A network with everything that the verbs need to know of it.

    The network that `build` returns is two modules: ``network.features`` computes the features from the raw inputs
    and learns nothing; ``network.body`` learns. ``network(*inputs)`` is ``network.body(*network.features(*inputs))``,
    and the first tensor that ``features`` returns is where relevance lives. Outputs are logits (or other raw values),
    never probabilities or labels.

    Examples
    --------
    What a model must say itself; everything else has a default, and a `Classifier` needs `build` only:

    >>> from fair_hep import Model
    >>> sorted(Model.__abstractmethods__)[:7]
    ['build', 'convert', 'dataset', 'evaluate', 'example', 'loss', 'not_worse']
    """

    #: The version of the contract that a recipe was written for; ``check`` refuses another than `CONTRACT`.
    contract_version: int = 1
    name: str
    title: str
    summary: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    #: What else a batch of the data set holds and an evaluation needs; inputs may be among them.
    targets: tuple[TensorSpec, ...]
    features: TensorSpec
    citation: Mapping[str, str]
    #: Suffixes of the files that `read` takes; ``predict`` reads others by the names of the inputs' columns.
    suffixes: tuple[str, ...] = ()
    #: What a user must know before trusting an answer, one sentence each: for the model card.
    limits: tuple[str, ...] = ()
    #: What answers depend on, and whether that was measured apart, one sentence each: for the model card.
    factors: tuple[str, ...] = ()
    #: Rules that explanations follow where a configuration names none: the simplest that `explain` finds no worse than
    #: the best by more than two errors; and why these.
    composite: str = "epsilon"
    composite_reason: str = "the plainest rules; whether others find more of what matters wasn't measured"
    #: What each metric of an evaluation is, by name; ``*`` stands for anything.
    measures: Mapping[str, str] = {}
    #: What the figures of evaluation and study show, by file name without suffix; ``*`` stands for anything.
    captions: Mapping[str, str] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a model that is made of another one say only what differs: measures and captions of that one stay."""
        super().__init_subclass__(**options)
        inherited: Any = super(cls, cls)
        cls.measures = {**inherited.measures, **vars(cls).get("measures", {})}
        cls.captions = {**inherited.captions, **vars(cls).get("captions", {})}

    # -- the network ---------------------------------------------------------------------------------------------------
    @abstractmethod
    def build(self, **hyperparameters: Any) -> nn.Module:
        """Build the network with random weights.

        Raises
        ------
        ConfigError
            If a hyperparameter is unknown (the message names the nearest known one) or out of range.
        """

    @abstractmethod
    def example(self, size: int, seed: int) -> dict[str, Tensor]:
        """Return a small synthetic batch (inputs and targets) made without any file, for checks and for tracing."""

    def settings(self) -> Mapping[str, type[Strict]]:
        """Return what may be chosen about this model: the classes that validate it, by section of a configuration.

        The sections are ``model``, ``data.options``, ``data.simulation``, ``train.loss`` and ``explain.options``. By
        default they are those that the files of the recipe have under their usual names: `network.Hyperparameters`,
        `data.Options`, `data.SimulationOptions`, `train.LossOptions`, `explain.Options`.
        """
        from .options import named_by_convention

        return named_by_convention(self)

    # -- data ----------------------------------------------------------------------------------------------------------
    @abstractmethod
    def simulate(
        self, folder: Path, *, size: int, seed: int, processes: int, **options: Any
    ) -> Mapping[str, Sequence[Path]]:
        """Generate ``size`` examples into raw files of the published dataset's own layout, by split.

        A model that can share this takes ``part`` too (`fair_hep.bundle.parts.Part`): then it generates its share only,
        into files of the same names, and `fair_hep.simulation.joining` can join the parts.

        Raises
        ------
        ConfigError
            If an option (``data.simulation`` in a configuration) is unknown or out of range.
        """

    @abstractmethod
    def published(self, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Sort file names of the dataset's record (or of a folder) into splits; leave out those not needed."""

    @abstractmethod
    def convert(self, files: Sequence[Path], folder: Path, *, processes: int = 0, **options: Any) -> Mapping[str, Any]:
        """Convert raw files of one split into a memory-mapped store in ``folder``; return what was counted.

        A model that can share this takes ``part`` too: then it converts its share of the examples, and writes no store
        where there are none. `fair_hep.data.joining` joins the stores, and adds up what was counted.
        """

    @abstractmethod
    def read(self, file: Path, size: int, **options: Any) -> Iterator[Mapping[str, Sequence[np.ndarray]]]:
        """Read the required inputs from a raw file of the published layout, ``size`` examples at a time, labels or not.

        Gives by name one array for each example, without padding; memory doesn't grow with the file. Options are those
        of `convert` (``data.options`` in a configuration). A model that can leave out what a part of a prediction
        doesn't need takes ``start`` too, the row from which on examples are read, and says `rows`.
        """

    def rows(self, file: Path, **options: Any) -> int | None:
        """Return how many examples `read` gives, if that is known without reading them; None: it isn't."""
        return None

    @abstractmethod
    def dataset(self, store: Store, **options: Any) -> Dataset[Any]:
        """Return a dataset whose ``__getitems__(indices)`` gives a whole batch: inputs and targets by name."""

    def domain(self) -> Sequence[Quantity]:
        """Return what is derived of an example: the signature tells its range in training, evaluations have bins of it.

        The words of a `Quantity` are few, so that any user of the bundle can derive it without this recipe.
        """
        return ()

    # -- training and evaluation ---------------------------------------------------------------------------------------
    @abstractmethod
    def loss(self, outputs: Sequence[Tensor], batch: Batch, **options: Any) -> Tensor:
        """Return the mean loss of a batch (a scalar tensor) from raw outputs.

        Raises
        ------
        ConfigError
            If an option (``train.loss`` in a configuration) is unknown or out of range.
        """

    def baselines(self, datasets: Mapping[str, Dataset[Any]], batch_size: int) -> Mapping[str, Baseline]:
        """Return by name what needs no network and is measured beside it; `evaluate` gets them where there are any.

        What is chosen, such as a cut, is chosen on "val"; scores are those of "test", in order.
        """
        return {}

    @abstractmethod
    def evaluate(self, outputs: Arrays, targets: Arrays, folder: Path) -> Evaluation:
        """Measure the outputs on a test set, and write tables and figures into ``folder``.

        Outputs and targets of sets come without padding: rows of all examples one after the other; ``offsets``
        ``[examples + 1]`` among the targets says where each example starts. A model with `baselines` takes them as a
        fourth argument.
        """

    @abstractmethod
    def not_worse(self, outputs: Arrays, champion: Arrays, targets: Arrays) -> tuple[bool, str]:
        """Say whether a model is not worse than the champion on the same test set, and why, in one line."""

    # -- explanation ---------------------------------------------------------------------------------------------------
    @abstractmethod
    def target(self) -> Sequence[float]:
        """Return the weights of the linear combination of outputs that is explained by default."""

    def edges(self, network: nn.Module) -> Mapping[str, str]:
        """Name the places of the body where edges have messages, each with the module that finds their graph.

        A message ``[rows, k, channels]`` belongs to every neighbour that the module returns: its outputs are positions
        ``[sets, elements, k]`` and which of them exist. It finds one graph in a pass; places may share it. A network
        without edges has none.
        """
        return {}

    @abstractmethod
    def study(
        self, network: nn.Module, datasets: Mapping[str, Dataset[Any]], config: Config, folder: Path
    ) -> Mapping[str, Any]:
        """Explain examples of the test split: write relevances, tables and figures, return the figures reached.

        ``ledger.largest_error`` among the figures says how closely the account of relevance closed.

        What is chosen by measuring, such as the recommended rules, is chosen on the validation split: ``datasets`` has
        "val" and "test".
        """

    def explanations(
        self, network: nn.Module, datasets: Mapping[str, Dataset[Any]], config: Config, folder: Path
    ) -> Sequence[Blocks]:
        """Return what takes long in `study`, as blocks that several machines may share; none: it isn't shared.

        What waits in the folder of the study, under the key of its blocks, isn't computed by `study` again.
        """
        return ()

    # -- the report ----------------------------------------------------------------------------------------------------
    def widgets(self, evaluation: Path, explanation: Path | None) -> Sequence[Widget]:
        """Return interactive parts of the report, from what `evaluate` and `study` left in their folders.

        The explanation is None where the network at hand wasn't explained.
        """
        return ()
