"""Checks of the explanation: every module has a rule, nothing escapes, and the account closes."""

from __future__ import annotations

from typing import Any

from ..bundle.errors import ExplainError
from .attention import nested, one_call
from .layers import PYG, TORCH
from .trial import Broken, NotPossible, Trial, promise

__all__ = ["ledger_closes", "rule_for_every_module", "unexplained"]

REGISTER = (
    "write functions of activations as modules of torch.nn; register a rule for a module of your own: "
    "fair_hep.lrp.register (a function of activations), fair_hep.lrp.register_linear (a linear layer), "
    "fair_hep.lrp.register_held or a class attribute `held` (weights such as attention); explained as they are: "
    f"{', '.join(TORCH)}; of PyTorch Geometric {', '.join(PYG)}"
)


@promise(REGISTER)
def rule_for_every_module(trial: Trial) -> None:
    """Every module of the body has a relevance rule, and no call outside of them escapes."""
    if said := unexplained(trial):
        network = trial.network()
        raise Broken(said, "; ".join(filter(None, (one_call(network), nested(network)))))


@promise("look for a module whose rule isn't that of what it computes, or raise explain.epsilon")
def ledger_closes(trial: Trial) -> None:
    """Relevance, and what biases and the stabiliser take, sum to what is explained."""
    import torch

    from ..lrp import explain
    from ..lrp.composites import bounds

    if unexplained(trial):
        raise NotPossible("nothing explains the network yet: see rule_for_every_module")
    network, how = trial.network().double(), trial.rules()
    values = trial.features(network, trial.batch(4, double=True))
    found = explain(
        network.body,
        values,
        torch.tensor(how.target, dtype=torch.float64),
        composite=how.composite,
        bias=how.bias,
        epsilon=how.epsilon,
        bounds=bounds(trial.model.features.ranges),
    )
    if (error := float(found.error.abs().max())) > 1e-10:
        raise Broken(f"the ledger is open by {error:.1e}, expected at most 1e-10")


def unexplained(trial: Trial) -> str:
    """Say what has no rule: all modules at once, else the first call that escapes; nothing if all is well."""
    from ..lrp import Explainer
    from ..lrp.checks import without_rule

    network: Any = trial.network().double()
    values = trial.features(network, trial.batch(4, double=True))
    # First the explainer: it knows when rules for the layers of a library are to be registered.
    explainer = Explainer(network.body)
    missing = [f"{name!r} of type {type(module).__name__}" for module, name in without_rule(network.body)]
    if missing:
        return f"no rule for {', '.join(missing)}"
    try:
        with explainer:
            explainer.study(*values)
    except ExplainError as error:
        return str(error)
    return ""
