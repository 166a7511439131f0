"""MLPF: a graph network that reconstructs particles from tracks and towers (Pata et al., arXiv:2101.08578).

What goes in and out stands in ``inputs.py``, the network in ``network.py``, its files in ``data.py``, its loss in
``train.py``; ``evaluate.py`` says how it is measured, ``explain.py`` how it is explained. `ParticleFlowModel` does what
doesn't differ between networks that reconstruct particles. ``check`` tries every promise of the contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fair_hep import validate
from fair_hep.particleflow.model import ParticleFlowModel

from .evaluate import FACTORS
from .explain import LABELS, TARGET, TRUTH
from .inputs import CITATION, FEATURES, INPUTS, LIMITS, OUTPUTS, SUMMARY, TARGETS, TITLE

if TYPE_CHECKING:
    from fair_hep.models.contract import Batch
    from torch import Tensor, nn

__all__ = ["MLPF", "MODEL"]


class MLPF(ParticleFlowModel):
    """Every track and tower of an event becomes a class and a momentum."""

    name = "mlpf"
    contract_version = 1
    title, summary, citation = TITLE, SUMMARY, CITATION
    inputs, outputs, targets, features = INPUTS, OUTPUTS, TARGETS, FEATURES
    limits, factors = LIMITS, FACTORS
    labels, truth_features = LABELS, TRUTH

    def build(self, **hyperparameters: Any) -> nn.Module:
        """Build one of the published networks, or one with other sizes."""
        from .network import Hyperparameters, ParticleFlow

        chosen = validate(Hyperparameters, hyperparameters, "model")
        return ParticleFlow(chosen.preset, **chosen.model_dump(exclude={"preset"}, exclude_none=True))

    def published(self, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Train and validate with ttbar events, test with QCD events."""
        from .data import sort_into_splits

        return sort_into_splits(names)

    def simulate(
        self, folder: Path, *, size: int, seed: int, processes: int, part: Any = None, **options: Any
    ) -> Mapping[str, Sequence[Path]]:
        """Generate ttbar and QCD events with pile-up in a parametrised detector."""
        from .data import SimulationOptions, simulate

        chosen = validate(SimulationOptions, options, "data.simulation")
        return simulate(folder, chosen, size=size, seed=seed, processes=processes, part=part)

    def loss(self, outputs: Sequence[Tensor], batch: Batch, **options: Any) -> Tensor:
        """Return the loss of classes and momenta."""
        from .train import LossOptions, loss

        return loss(outputs, batch, validate(LossOptions, options, "train.loss"))

    def target(self) -> Sequence[float]:
        """Explain "a particle" against "none"."""
        return TARGET


MODEL = MLPF()
