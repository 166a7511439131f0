"""MLPF: a graph network that reconstructs particles from tracks and towers (Pata et al., arXiv:2101.08578)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fair_hep.bundle import TensorSpec
from fair_hep.bundle.strict import Strict, validate
from fair_hep.models.contract import Evaluation, Model
from fair_hep.pages.interactive import Part
from fair_hep.particleflow.card import CAPTIONS, FACTORS, MEASURES
from pydantic import Field

if TYPE_CHECKING:
    import numpy as np
    from fair_hep.data.store import Store
    from fair_hep.models.contract import Arrays, Batch
    from fair_hep.provenance.configuration import Config
    from torch import Tensor, nn
    from torch.utils.data import Dataset

__all__ = ["MODEL", "ParticleFlowModel"]


class Hyperparameters(Strict):
    """What may be chosen about the network: a published one by its preset, and any of its sizes."""

    preset: str = Field(
        "compact",
        pattern="^(explained|compact|wide)$",
        description="explained (one convolution, 311,722 parameters), compact (42,832) or wide (335,496)",
    )
    space: int | None = Field(None, ge=1, le=16, description="dimensions of the learned space")
    propagate: int | None = Field(None, ge=1, description="columns that elements send to each other")
    k: int | None = Field(None, ge=2, le=64, description="elements that are summed over, the element itself included")


class ParticleFlowModel(Model):
    """Every track and tower of an event becomes a class and a momentum."""

    name = "mlpf"
    title = "MLPF"
    summary = "Reconstructs the particles of an event from its tracks and calorimeter towers."
    inputs = (
        TensorSpec(
            name="elements",
            axes=("events", "elements", "column"),
            dynamic=("events", "elements"),
            sizes={"column": 12},
            dtype="float32",
            meaning=(
                "tracks (type 2) and towers (type 1) in any order, zero-padded; a column may mean one thing for a "
                "track and another for a tower; is_gen_muon and is_gen_electron come from the generator"
            ),
            columns=(
                "type", "pt_or_et", "eta", "sin_phi", "cos_phi", "p_or_energy", "eta_outer_or_ecal",
                "sin_phi_outer_or_hcal", "cos_phi_outer", "charge", "is_gen_muon", "is_gen_electron",
            ),
            unit="GeV",
            units={
                **dict.fromkeys(
                    ("type", "eta", "sin_phi", "cos_phi", "cos_phi_outer", "is_gen_muon", "is_gen_electron"), "1"
                ),
                "eta_outer_or_ecal": "1 (tracks) or GeV (towers)",
                "sin_phi_outer_or_hcal": "1 (tracks) or GeV (towers)",
                "charge": "e",
            },
            # No momentum and no energy is above that of the collisions: who has MeV is.
            ranges=(
                (0.0, 2.0), (0.0, 14_000.0), (-10.0, 10.0), (-1.0, 1.0), (-1.0, 1.0), (0.0, 14_000.0),
                (-10.0, 14_000.0), (-1.0, 14_000.0), (-1.0, 1.0), (-1.0, 1.0), (0.0, 1.0), (0.0, 1.0),
            ),
            positive=("type",),
            allowed={"type": (1.0, 2.0)},
            # The graph compares all elements with each other: memory grows with the square.
            limits={"elements": 10_000},
        ),
    )  # fmt: skip
    outputs = (
        TensorSpec(
            name="logits",
            axes=("events", "elements", "class"),
            dynamic=("events", "elements"),
            sizes={"class": 6},
            dtype="float32",
            meaning="unnormalised log-probabilities of the classes of every element; 0 for padding",
            columns=("none", "charged_hadron", "neutral_hadron", "photon", "electron", "muon"),
        ),
        TensorSpec(
            name="momenta",
            axes=("events", "elements", "component"),
            dynamic=("events", "elements"),
            sizes={"component": 6},
            dtype="float32",
            meaning="the particle of every element, where its class isn't none: charge, natural logarithms of pT and E "
            "in GeV, direction; 0 for padding",
            columns=("charge", "log_pt", "eta", "sin_phi", "cos_phi", "log_energy"),
        ),
    )
    targets = (
        inputs[0],
        *(
            TensorSpec(
                name=name,
                axes=("events", "elements", "component"),
                dynamic=("events", "elements"),
                sizes={"component": 7},
                dtype="float32",
                meaning=meaning,
                columns=("pid", "charge", "pt", "eta", "sin_phi", "cos_phi", "energy"),
                unit="GeV",
            )
            for name, meaning in (
                ("gen", "the generated particle behind every element"),
                ("cand", "what rule-based particle flow makes of every element"),
            )
        ),
    )
    features = TensorSpec(
        name="features",
        axes=("events", "elements", "feature"),
        dynamic=("events", "elements"),
        sizes={"feature": 12},
        dtype="float32",
        meaning="features of the elements, normalised by fixed constants: where relevance lives",
        columns=inputs[0].columns,
        ranges=((-5.0, 5.0),) * 12,
    )
    citation: Mapping[str, str] = {
        "title": "MLPF: efficient machine-learned particle-flow reconstruction using graph neural networks",
        "authors": "Joosep Pata, Javier Duarte, Jean-Roch Vlimant, Maurizio Pierini and Maria Spiropulu",
        "doi": "10.1140/epjc/s10052-021-09158-w",
        "arxiv": "2101.08578",
    }

    suffixes = (".bz2", ".bzip2")
    limits = (
        "`is_gen_muon` and `is_gen_electron` come from generator truth: no detector knows them, so electrons and "
        "muons are found better than they would be in data.",
        "An element gets at most one particle: where two share a tower, one of them is lost.",
        "Made for a parametrised detector in the manner of Delphes' CMS card, at the pile-up that it was trained with.",
    )
    factors = FACTORS
    measures = MEASURES
    captions = CAPTIONS

    def build(self, **hyperparameters: Any) -> nn.Module:
        """Build one of the published networks, or one with other sizes."""
        from fair_hep.particleflow.network import ParticleFlow

        chosen = validate(Hyperparameters, hyperparameters, "model")
        return ParticleFlow(chosen.preset, **chosen.model_dump(exclude={"preset"}, exclude_none=True))

    def example(self, size: int, seed: int) -> dict[str, Tensor]:
        """Return synthetic events of 1 to 60 tracks and towers."""
        from fair_hep.particleflow.example import events

        return events(size, seed)

    def simulate(
        self, folder: Path, *, size: int, seed: int, processes: int, **options: Any
    ) -> Mapping[str, Sequence[Path]]:
        """Generate ttbar and QCD events with pile-up in a parametrised detector."""
        from fair_hep.particleflow.options import SimulationOptions
        from fair_hep.simulation.event_files import simulate

        chosen = validate(SimulationOptions, options, "data.simulation")
        return simulate(folder, size=size, seed=seed, processes=processes, **chosen.model_dump())

    def published(self, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Train and validate with ttbar events, test with QCD events."""
        from fair_hep.particleflow.splits import sort_into_splits

        return sort_into_splits(names)

    def convert(self, files: Sequence[Path], folder: Path, *, processes: int = 0, **options: Any) -> Mapping[str, Any]:
        """Convert files in the layout of the MLPF data set."""
        from fair_hep.particleflow.reader import convert

        return convert(files, folder, processes=processes, **options)

    def read(self, file: Path, size: int, **options: Any) -> Iterator[Mapping[str, Sequence[np.ndarray]]]:
        """Read the elements of events."""
        from fair_hep.particleflow.reader import read_elements

        for events in read_elements(file, size):
            yield {"elements": events}

    def dataset(self, store: Store, **options: Any) -> Dataset[Any]:
        """Return the events of a store, whole."""
        from fair_hep.particleflow.dataset import EventDataset

        return EventDataset(store, **options)

    def loss(self, outputs: Sequence[Tensor], batch: Batch, **options: Any) -> Tensor:
        """Return the loss of classes and momenta."""
        from fair_hep.particleflow.loss import LossOptions, loss

        return loss(outputs, batch, validate(LossOptions, options, "train.loss"))

    def evaluate(self, outputs: Arrays, targets: Arrays, folder: Path) -> Evaluation:
        """Compare with rule-based particle flow on the same events."""
        from fair_hep.particleflow.evaluate import evaluate

        return evaluate(outputs, targets, folder)

    def not_worse(self, outputs: Arrays, champion: Arrays, targets: Arrays) -> tuple[bool, str]:
        """Compare the decisive metric, event by event."""
        from fair_hep.particleflow.evaluate import not_worse

        return not_worse(outputs, champion, targets)

    def target(self) -> Sequence[float]:
        """Explain "a particle" against "none", summed over the elements; momenta have no part in it."""
        return (-1.0, *(0.2,) * 5, *(0.0,) * 6)

    def study(
        self, network: nn.Module, datasets: Mapping[str, Dataset[Any]], config: Config, folder: Path
    ) -> Mapping[str, Any]:
        """Explain events: relevance maps of every class and momentum, and event displays."""
        from fair_hep.particleflow.study import study

        return study(network, datasets, config, folder)

    def parts(self, evaluation: Path, explanation: Path | None) -> Sequence[Part]:
        """Return the interactive parts of the report."""
        from fair_hep.particleflow.report import parts

        return tuple(parts(evaluation, explanation))


MODEL = ParticleFlowModel()
