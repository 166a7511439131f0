"""All checks in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..provenance.configuration import Config
from . import drawing, explaining, exporting, learning, running, sets, shapes, shrinking
from .trial import Check, Outcome, Trial

if TYPE_CHECKING:
    from ..models.contract import Model

__all__ = ["CHECKS", "check_model"]

#: From what is quick and explains most to what takes seconds.
CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        shapes.contract_fits,
        shapes.example_fits,
        running.network_runs,
        shapes.outputs_fit,
        shapes.features_fit,
        shapes.features_learn_nothing,
        shapes.inputs_unchanged,
        sets.any_size,
        sets.padding_ignored,
        sets.order_ignored,
        learning.one_step_lowers_loss,
        learning.loss_has_a_floor,
        learning.every_parameter_learns,
        learning.state_round_trip,
        learning.unknown_hyperparameter_refused,
        learning.unknown_loss_option_refused,
        learning.dataset_fits,
        explaining.rule_for_every_module,
        explaining.ledger_closes,
        shrinking.channels_can_go,
        drawing.figures_are_drawn,
        exporting.onnx_parity,
        exporting.explained_onnx_parity,
    )
}

#: Checks that all later ones stand on: where one fails, what the others would say is of the same cause.
FIRST = ("example_fits", "network_runs")


def check_model(
    model: Model,
    config: Config,
    *,
    sample: Path | None = None,
    names: Iterable[str] = CHECKS,
    report: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Try the checks; return their outcomes in order. Where one of `FIRST` fails, no later one is tried.

    Parameters
    ----------
    model
        The model.
    config
        Hyperparameters, options of loss and data set, rules of explanation, and how closely an export must agree.
    sample
        Folder of raw files that ship with the model; None: there is none.
    names
        Checks to try.
    report
        Called with every outcome as soon as it is there.

    Examples
    --------
    >>> from fair_hep import Classifier, check_model
    >>> from fair_hep.provenance.configuration import Config
    >>> class Tagger(Classifier):
    ...     contract_version = 0
    ...
    ...     def build(self, **hyperparameters):
    ...         from .network import Network
    ...
    ...         return Network(**hyperparameters)
    >>> for outcome in check_model(Tagger(), Config(name="quick"), names=["contract_fits"]):
    ...     print(outcome.name, outcome.verdict, outcome.reason, sep="; ")
    contract_fits; failed; contract_version: got 0, expected 1, that of this library
    """
    trial, outcomes = Trial(model, config, sample), []
    cause = ""
    for name in names:
        check = CHECKS[name]
        outcomes.append(check.untried(f"{cause} failed, on which it stands") if cause else check.outcome(trial))
        if outcomes[-1].verdict == "failed" and name in FIRST:
            cause = name
        if report is not None:
            report(outcomes[-1])
    return outcomes
