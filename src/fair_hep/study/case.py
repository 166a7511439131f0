"""What is studied of a network on sets, and what a recipe may ask of its study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..bundle.symbols import formula, plain
from ..models.contract import Model
from ..models.explaining import rules_of
from ..pages.document import Table
from ..pages.figures import logit
from ..pages.measured import measured
from ..provenance.configuration import Config, ExplainRules
from .options import StudyOptions
from .relevances import Column
from .share_figure import Panel
from .summary import Summary
from .work import Work

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .trust import Truth

__all__ = ["Case", "Study"]


@dataclass(frozen=True)
class Case:
    """What is studied.

    Parameters
    ----------
    model, network
        The network in evaluation mode, and what is known of it.
    config, options
        How, and what is done besides.
    target
        Weights of the explained combination of outputs.
    folder
        Where files go.
    """

    model: Model
    network: nn.Module
    config: Config
    options: Any
    target: Sequence[float]
    folder: Path

    @property
    def rules(self) -> ExplainRules:
        """What is explained and how, with nothing left open."""
        return rules_of(self.model, self.config.explain)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.model.outputs[0].columns

    @property
    def explained(self) -> str:
        """What is explained, for the axis of a figure."""
        if len(self.classes) != 2 or list(self.target) != list(self.model.target()):
            return "explained output"
        background, signal = self.classes
        return f"${logit(signal)} - {logit(background)}$"

    def figure(self, name: str) -> Path:
        """Return the file of a figure."""
        return self.folder / f"{name}.{self.options.format}"


class Study:
    """What a study does besides explaining; every attribute and method may be replaced by a recipe."""

    #: What may be chosen: ``explain.options`` of the configuration.
    options: type[StudyOptions] = StudyOptions
    #: What examples and elements are called, in the plural.
    examples, elements = "examples", "elements"
    #: Data sets that `columns` adds to the file of relevances.
    layout: Mapping[str, Column] = {}
    #: Arrays of the data set that go into the file as they are: their names by those of the data sets of `layout`. What
    #: a data set doesn't have is left out.
    carried: Mapping[str, str] = {}
    #: How trust removes elements: from the raw inputs, or by the mask, the last of what ``features`` returns.
    removed: Literal["inputs", "mask"] = "inputs"

    def columns(self, inputs: Mapping[str, Tensor], values: Sequence[Tensor]) -> Mapping[str, np.ndarray]:
        """Compute further columns of some examples.

        Parameters
        ----------
        inputs
            Raw inputs by name.
        values
            What ``features`` makes of them.

        Returns
        -------
        columns
            By the names of `layout`: ``[examples, ...]``, or ``[examples, elements, ...]`` if elements count its rows.
        """
        return {}

    def stages(self, body: nn.Module) -> Sequence[str]:
        """Return the parts of the body that get random weights one after the other, the last one first."""
        from .trust import stages

        return stages(body)

    def summary(self, case: Case) -> Summary:
        """Return what gathers the relevances of a network; those of untrained ones are gathered alike."""
        return Summary(case.classes)

    def truth(self, batch: Mapping[str, Tensor]) -> Truth | None:
        """Return what a good ranking of the elements of a batch picks; None if that isn't known."""
        return None

    def further(self, case: Case, work: Work) -> dict[str, Any]:
        """Measure what else there is to know; it joins what was found, and `tables` may show it."""
        return {}

    def tables(self, case: Case, found: Mapping[str, Any]) -> Iterator[Table]:
        """Give further tables for the card."""
        yield from ()

    def panels(self, model: Model) -> Sequence[Panel]:
        """Return which shares of relevance are drawn."""
        rank = f"{self.elements[:-1].capitalize()} by falling $p_T$"
        return (("feature", "", [formula(name) for name in model.features.columns]), ("rank", rank, None))

    def draw(self, case: Case, found: Mapping[str, Any], path: Path) -> None:
        """Draw further figures, from what was found and the file of relevances."""

    def captions(self, case: Case, found: Mapping[str, Any]) -> Mapping[str, str]:
        """Return what was counted and belongs under figures, by patterns of file names without suffix."""
        return {}

    def lines(self, case: Case, found: Mapping[str, Any]) -> Iterator[str]:
        """Give what a human should read first, one line each."""
        for name, row in found["shares"]["feature"].items():
            if row["mean"][0] is not None:
                best = int(np.argmax(row["mean"]))
                share = measured(row["mean"][best], row["error"][best])
                feature = plain(case.model.features.columns[best])
                yield f"{name}: the feature with the largest share of |R| is {feature}, {share}"
