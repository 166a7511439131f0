"""ParticleNet: a graph network that tags jets (Qu and Gouskos, arXiv:1902.08570).

A file bears the name of the verb that reads it; here ``inputs``, ``network``, ``data``, ``train``, ``evaluate`` and
``explain`` are put together, and `Classifier` does the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fair_hep.bundle.strict import validate
from fair_hep.tagging.classifier import Classifier

from . import data
from .evaluate import CAPTIONS, EFFICIENCIES, MEASURES
from .explain import CAPTIONS as EXPLANATION_CAPTIONS
from .explain import Explanation, edges
from .inputs import CITATION, ELEMENT_FEATURES, FACTORS, INPUTS, LIMITS, OUTPUTS, SUMMARY, TARGETS, TITLE

if TYPE_CHECKING:
    import numpy as np
    from fair_hep.data.store import Store
    from fair_hep.models.contract import Batch
    from fair_hep.pages.interactive import Part
    from torch import Tensor, nn
    from torch.utils.data import Dataset

__all__ = ["MODEL", "ParticleNetModel"]


class ParticleNetModel(Classifier):
    """Top jets against QCD jets, from the four-momenta of the constituents."""

    name = "particlenet"
    contract_version = 1
    title, summary, citation = TITLE, SUMMARY, CITATION
    inputs, outputs, targets, features = INPUTS, OUTPUTS, TARGETS, ELEMENT_FEATURES
    limits, factors = LIMITS, FACTORS
    suffixes = data.SUFFIXES
    efficiencies = EFFICIENCIES
    measures: Mapping[str, str] = MEASURES
    captions: Mapping[str, str] = {**CAPTIONS, **EXPLANATION_CAPTIONS}

    def build(self, **hyperparameters: Any) -> nn.Module:
        """Build ParticleNet or ParticleNet-Lite."""
        from .network import Hyperparameters, ParticleNet

        chosen = validate(Hyperparameters, hyperparameters, "model")
        return ParticleNet(chosen.preset, dropout=chosen.dropout)

    def example(self, size: int, seed: int) -> dict[str, Tensor]:
        """Return synthetic jets of one or three prongs with their axis: 550 to 650 GeV, 1 to 60 constituents."""
        from fair_hep.models.synthetic import jets

        return jets(size, seed)

    def simulate(
        self, folder: Path, *, size: int, seed: int, processes: int, **options: Any
    ) -> Mapping[str, Sequence[Path]]:
        """Generate jets as ``data.py`` says."""
        return data.simulate(folder, size=size, seed=seed, processes=processes, **options)

    def published(self, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Choose the files that ``data.py`` names."""
        return data.published(names)

    def convert(self, files: Sequence[Path], folder: Path, *, processes: int = 0, **options: Any) -> Mapping[str, Any]:
        """Convert files of the reference set."""
        return data.convert(files, folder, processes, **options)

    def read(self, file: Path, size: int, **options: Any) -> Iterator[Mapping[str, Sequence[np.ndarray]]]:
        """Read the constituents of jets."""
        return data.read(file, size)

    def dataset(self, store: Store, **options: Any) -> Dataset[Any]:
        """Return the jets of a store."""
        return data.dataset(store, **options)

    def loss(self, outputs: Sequence[Tensor], batch: Batch, **options: Any) -> Tensor:
        """Return the loss of ``train.py``."""
        from .train import loss

        return loss(outputs, batch, **options)

    def edges(self, network: nn.Module) -> Mapping[str, str]:
        """Return the places that ``explain.py`` names."""
        return edges(network)

    def explanation(self) -> Explanation:
        """Return the study of ``explain.py``."""
        return Explanation()

    def parts(self, evaluation: Path, explanation: Path | None) -> Sequence[Part]:
        """Return the ROC curve with a cut to move, and jets with their edges."""
        from fair_hep.jets.report import jets_part

        shown = (self.classes, self.inputs[0].columns, self.features.columns)
        return (*super().parts(evaluation, explanation), *(jets_part(explanation, *shown) if explanation else ()))


MODEL = ParticleNetModel()
