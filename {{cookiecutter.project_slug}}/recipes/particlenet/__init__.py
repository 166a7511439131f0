"""ParticleNet: a graph network that tags jets (Qu and Gouskos, arXiv:1902.08570)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fair_hep.bundle import TensorSpec
from fair_hep.bundle.strict import Strict, validate
from fair_hep.jets.card import CAPTIONS, FACTORS, MEASURES
from fair_hep.models.contract import SPLITS, Evaluation, Model
from fair_hep.pages.interactive import Part
from pydantic import Field

if TYPE_CHECKING:
    import numpy as np
    from fair_hep.data.store import Store
    from fair_hep.models.contract import Arrays, Batch
    from fair_hep.provenance.configuration import Config
    from torch import Tensor, nn
    from torch.utils.data import Dataset

__all__ = ["MODEL", "ParticleNetModel"]


class Hyperparameters(Strict):
    """What may be chosen about the network."""

    preset: str = Field("full", pattern="^(full|lite)$", description="full (366,160 parameters) or lite (26,416)")
    dropout: float = Field(0.1, ge=0, lt=1)


class ParticleNetModel(Model):
    """Top jets against QCD jets, from the four-momenta of the constituents."""

    name = "particlenet"
    title = "ParticleNet"
    summary = "Tags boosted top jets among QCD jets from the four-momenta of a jet's constituents."
    inputs = (
        TensorSpec(
            name="particles",
            axes=("jets", "constituents", "component"),
            dynamic=("jets", "constituents"),
            sizes={"component": 4},
            dtype="float32",
            meaning="four-momenta of a jet's constituents in any order, zero-padded; a constituent is real where E > 0",
            columns=("E", "px", "py", "pz"),
            unit="GeV",
            # The energy of the collisions: who has MeV is far above.
            range=(-14_000.0, 14_000.0),
            positive=("E",),
            # Far more than any jet has; the graph itself has no limit.
            limits={"constituents": 512},
        ),
        TensorSpec(
            name="axis",
            axes=("jets", "component"),
            dynamic=("jets",),
            sizes={"component": 4},
            dtype="float32",
            meaning="four-momentum of the jet; by default the sum of the constituents given",
            columns=("E", "px", "py", "pz"),
            unit="GeV",
            optional=True,
        ),
    )
    outputs = (
        TensorSpec(
            name="logits",
            axes=("jets", "class"),
            dynamic=("jets",),
            sizes={"class": 2},
            dtype="float32",
            meaning="unnormalised log-probabilities of the classes",
            columns=("QCD", "top"),
        ),
    )
    targets = (
        TensorSpec(
            name="label",
            axes=("jets",),
            dynamic=("jets",),
            sizes={},
            dtype="int64",
            meaning="class of the jet: 0 QCD, 1 top",
        ),
    )
    features = TensorSpec(
        name="features",
        axes=("jets", "constituents", "feature"),
        dynamic=("jets", "constituents"),
        sizes={"feature": 7},
        dtype="float32",
        meaning="standardised features of the constituents: where relevance lives",
        columns=(
            "delta_eta", "delta_phi", "log_pt", "log_energy", "log_pt_fraction", "log_energy_fraction", "delta_r",
        ),
        # A jet has a radius of 0.8; the other features are clipped.
        ranges=((-1.0, 1.0),) * 2 + ((-5.0, 5.0),) * 5,
    )  # fmt: skip
    citation: Mapping[str, str] = {
        "title": "Jet tagging via particle clouds",
        "authors": "Huilin Qu and Loukas Gouskos",
        "doi": "10.1103/PhysRevD.101.056019",
        "arxiv": "1902.08570",
    }

    suffixes = (".h5", ".hdf5")
    limits = ("Made for anti-kT jets (R = 0.8) with pT from 550 to 650 GeV and |eta| below 2.",)
    factors = FACTORS
    measures = MEASURES
    captions = CAPTIONS

    def build(self, **hyperparameters: Any) -> nn.Module:
        """Build ParticleNet or ParticleNet-Lite."""
        from fair_hep.jets.network import ParticleNet

        chosen = validate(Hyperparameters, hyperparameters, "model")
        return ParticleNet(chosen.preset, dropout=chosen.dropout)

    def example(self, size: int, seed: int) -> dict[str, Tensor]:
        """Return synthetic jets of one or three prongs: 550 to 650 GeV, 1 to 60 constituents."""
        from fair_hep.models.synthetic import jets

        return jets(size, seed)

    def simulate(
        self, folder: Path, *, size: int, seed: int, processes: int, **options: Any
    ) -> Mapping[str, Sequence[Path]]:
        """Generate top and QCD jets with Pythia 8 and FastJet; there is nothing else to choose."""
        from fair_hep.simulation.jet_files import simulate

        validate(Strict, options, "data.simulation")
        return simulate(folder, size=size, seed=seed, processes=processes)

    def published(self, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Choose ``train.h5``, ``val.h5`` and ``test.h5``."""
        return {split: [name for name in names if name == f"{split}.h5"] for split in SPLITS}

    def convert(self, files: Sequence[Path], folder: Path, *, processes: int = 0, **options: Any) -> Mapping[str, Any]:
        """Convert files in the layout of the Top Quark Tagging reference set."""
        from fair_hep.jets.reader import convert

        return convert(files, folder, processes=processes, **options)

    def read(self, file: Path, size: int, **options: Any) -> Iterator[Mapping[str, Sequence[np.ndarray]]]:
        """Read the constituents of jets, all of them, hardest first."""
        from fair_hep.jets.reader import open_table

        with open_table(file) as table:
            for chunk in table.chunks(size, labels=False):
                yield {"particles": [chunk.particles[number] for number in range(len(chunk.particles))]}

    def dataset(self, store: Store, **options: Any) -> Dataset[Any]:
        """Return the jets of a store, cut to the hardest constituents."""
        from fair_hep.jets.dataset import JetDataset

        return JetDataset(store, **options)

    def loss(self, outputs: Sequence[Tensor], batch: Batch, **options: Any) -> Tensor:
        """Return the mean cross-entropy; there is nothing to choose."""
        from torch.nn import functional

        validate(Strict, options, "train.loss")
        return functional.cross_entropy(outputs[0], batch["label"])

    def evaluate(self, outputs: Arrays, targets: Arrays, folder: Path) -> Evaluation:
        """Measure area, accuracy and rejections; draw the ROC curve and the scores."""
        from fair_hep.jets.evaluate import evaluate

        return evaluate(outputs, targets, folder)

    def not_worse(self, outputs: Arrays, champion: Arrays, targets: Arrays) -> tuple[bool, str]:
        """Compare areas: lower by no more than one paired-bootstrap error is not worse."""
        from fair_hep.tagging.two_classes import not_worse

        return not_worse(outputs, champion, targets)

    def target(self) -> Sequence[float]:
        """Explain z_top - z_QCD: a single logit is defined only up to a common shift."""
        return (-1.0, 1.0)

    def edges(self, network: nn.Module) -> Mapping[str, str]:
        """Return the messages of every EdgeConv block with its graph."""
        body: Any = network.get_submodule("body")
        places: Mapping[str, str] = body.edges()
        return places

    def study(
        self, network: nn.Module, datasets: Mapping[str, Dataset[Any]], config: Config, folder: Path
    ) -> Mapping[str, Any]:
        """Explain jets: relevance of constituents, features and edges, and the edge graphs with their subjets."""
        from fair_hep.jets.study import study

        return study(self, network, datasets, config, folder)

    def parts(self, evaluation: Path, explanation: Path | None) -> Sequence[Part]:
        """Return the interactive parts of the report."""
        from fair_hep.jets.report import parts

        return tuple(parts(evaluation, explanation))


MODEL = ParticleNetModel()
