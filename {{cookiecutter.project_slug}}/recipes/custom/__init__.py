"""A network of your own, put together from six files, each of which bears the name of the verb that reads it.

All of it is yours. ``inputs.py`` says what goes in and out, ``network.py`` learns, ``data.py`` finds the examples,
``train.py`` has the loss, ``evaluate.py`` measures and ``explain.py`` says what is explained, and how. `Classifier`
does the rest, and any method of it can be replaced here. ``check`` tries every promise while you write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fair_hep import Classifier, validate

from . import data, evaluate, explain, train
from . import inputs as says

if TYPE_CHECKING:
    from torch import nn

__all__ = ["MODEL", "CustomModel"]


class CustomModel(Classifier):
    """What the six files say."""

    name = "custom"
    contract_version = 1
    title, summary, citation = says.TITLE, says.SUMMARY, says.CITATION
    limits, factors = says.LIMITS, says.FACTORS
    inputs, outputs, targets, features = says.INPUTS, says.OUTPUTS, says.TARGETS, says.ELEMENT_FEATURES
    columns, globs, options = data.COLUMNS, data.GLOBS, data.Options
    efficiencies, observables, measures = evaluate.EFFICIENCIES, evaluate.OBSERVABLES, evaluate.MEASURES
    captions = evaluate.CAPTIONS | explain.CAPTIONS

    dataset = staticmethod(data.dataset)
    loss = staticmethod(train.loss)
    metrics = staticmethod(evaluate.metrics)
    figures = staticmethod(evaluate.figures)
    target = staticmethod(explain.target)
    explanation = staticmethod(explain.Explanation)

    def build(self, **hyperparameters: Any) -> nn.Module:
        """Build the network; PyTorch is needed only now."""
        from .network import Hyperparameters, Network

        return Network(validate(Hyperparameters, hyperparameters, "model"))


MODEL = CustomModel()
