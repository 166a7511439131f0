"""ParticleNet: a graph network that tags jets (Qu and Gouskos, arXiv:1902.08570).

All of it is yours. ``inputs.py`` says what goes in and out, ``network.py`` learns, ``data.py`` finds the jets,
``train.py`` has the loss, ``evaluate.py`` measures and ``explain.py`` says what is explained, and how. `Classifier`
does the rest, and any method of it can be replaced here. ``check`` tries every promise while you write.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fair_hep import Classifier, validate

from . import data, evaluate, explain, train
from . import inputs as says

if TYPE_CHECKING:
    from fair_hep import Widget
    from torch import Tensor, nn

__all__ = ["MODEL", "ParticleNetModel"]


class ParticleNetModel(Classifier):
    """What the six files say."""

    name = "particlenet"
    contract_version = 1
    title, summary, citation = says.TITLE, says.SUMMARY, says.CITATION
    limits, factors = says.LIMITS, says.FACTORS
    inputs, outputs, targets, features = says.INPUTS, says.OUTPUTS, says.TARGETS, says.ELEMENT_FEATURES
    suffixes = data.SUFFIXES
    efficiencies, observables, measures = evaluate.EFFICIENCIES, evaluate.OBSERVABLES, evaluate.MEASURES
    captions = evaluate.CAPTIONS | explain.CAPTIONS
    composite, composite_reason = explain.COMPOSITE, explain.REASON
    explanation = staticmethod(explain.Explanation)

    published = staticmethod(data.published)
    convert = staticmethod(data.convert)
    read, rows = staticmethod(data.read), staticmethod(data.rows)
    dataset = staticmethod(data.dataset)
    simulate = staticmethod(data.simulate)
    loss = staticmethod(train.loss)
    target = staticmethod(explain.target)
    edges = staticmethod(explain.edges)

    def build(self, **hyperparameters: Any) -> nn.Module:
        """Build ParticleNet or ParticleNet-Lite."""
        from .network import Hyperparameters, ParticleNet

        chosen = validate(Hyperparameters, hyperparameters, "model")
        return ParticleNet(chosen.preset, dropout=chosen.dropout)

    def example(self, size: int, seed: int) -> dict[str, Tensor]:
        """Return synthetic jets of one or three prongs with their axis: 550 to 650 GeV, 1 to 60 constituents."""
        from fair_hep.models.synthetic import jets

        return jets(size, seed)

    def widgets(self, evaluation: Path, explanation: Path | None) -> Sequence[Widget]:
        """Return the ROC curve with a cut to move, and jets with their edges."""
        from fair_hep.jets.report import jets_widget

        shown = (self.classes, self.inputs[0].columns, self.features.columns)
        return (*super().widgets(evaluation, explanation), *(jets_widget(explanation, *shown) if explanation else ()))


MODEL = ParticleNetModel()
