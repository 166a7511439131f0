"""A small model that keeps every promise of the contract: Deep Sets on points around one centre or two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import Dataset

from fair_hep.bundle import TensorSpec
from fair_hep.bundle.strict import Strict, validate
from fair_hep.data.store import Ragged, Store, write_store
from fair_hep.models.contract import SPLITS, Evaluation, Model

__all__ = ["Body", "Features", "Network", "Points", "Sets"]

COLUMNS = ("x", "y", "weight")


class Features(nn.Module):
    """Weights as logarithms; an element is real where its weight is above 0."""

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        mask = points[..., 2] > 0
        logarithm = torch.where(mask, points[..., 2], 1.0).log()
        features = torch.stack([points[..., 0], points[..., 1], logarithm], -1)
        return torch.where(mask[..., None], features, 0.0), mask


class Body(nn.Module):
    """Deep Sets: a map of every element, the mean over those that are real, a map of the mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.whole = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = self.whole(self.pooled(self.each(features), mask))
        return logits

    def pooled(self, rows: Tensor, mask: Tensor) -> Tensor:
        real = mask[..., None].to(rows.dtype)
        return (rows * real).sum(1) / real.sum(1).clamp(min=1.0)


class Network(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.features: nn.Module = Features()
        self.body = Body(width)

    def forward(self, points: Tensor) -> Tensor:
        logits: Tensor = self.body(*self.features(points))
        return logits


class Hyperparameters(Strict):
    width: int = Field(8, ge=1)


class Points(Dataset[dict[str, Tensor]]):
    def __init__(self, store: Store) -> None:
        self.points, self.label = store.ragged("points"), store.array("label")

    def __len__(self) -> int:
        return len(self.label)

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        chosen = np.asarray(indices, np.int64)
        label = torch.from_numpy(self.label[chosen].astype(np.int64))
        return {"points": torch.from_numpy(self.points.padded(chosen)), "label": label}


class Sets(Model):
    """Tells sets of points around one centre from sets around two."""

    name = "sets"
    title = "Sets"
    summary = "Tells sets of points around one centre from sets around two."
    inputs = (
        TensorSpec(
            name="points",
            axes=("sets", "elements", "component"),
            dynamic=("sets", "elements"),
            sizes={"component": 3},
            dtype="float32",
            meaning="points with a weight above 0, zero-padded",
            columns=COLUMNS,
            positive=("weight",),
        ),
    )
    outputs = (
        TensorSpec(
            name="logits",
            axes=("sets", "class"),
            dynamic=("sets",),
            sizes={"class": 2},
            dtype="float32",
            meaning="logits",
            columns=("one", "two"),
        ),
    )
    targets = (
        TensorSpec(
            name="label", axes=("sets",), dynamic=("sets",), sizes={}, dtype="int64", meaning="number of centres - 1"
        ),
    )
    features = TensorSpec(
        name="features",
        axes=("sets", "elements", "feature"),
        dynamic=("sets", "elements"),
        sizes={"feature": 3},
        dtype="float32",
        meaning="features",
        columns=("x", "y", "log_weight"),
    )
    citation: Mapping[str, str] = {}
    network: type[Network] = Network

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for number, split in enumerate(SPLITS):
            batch = self.example(8, number)
            np.savez(folder / f"{split}.npz", points=batch["points"].numpy(), label=batch["label"].numpy())

    def build(self, **hyperparameters: Any) -> nn.Module:
        return self.network(validate(Hyperparameters, hyperparameters, "model").width)

    def example(self, size: int, seed: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        label = torch.arange(size) % 2
        centre = torch.randint(2, (size, 9, 1), generator=generator) * 2.0 * label[:, None, None]
        points = torch.cat([centre + torch.randn(size, 9, 2, generator=generator), torch.ones(size, 9, 1)], 2)
        points[..., 2] += torch.rand(size, 9, generator=generator)
        count = torch.randint(1, 10, (size,), generator=generator)
        return {"points": points * (torch.arange(9) < count[:, None])[..., None], "label": label}

    def convert(self, files: Sequence[Path], folder: Path, *, processes: int = 0, **options: Any) -> Mapping[str, Any]:
        with write_store(folder, {}) as writer:
            for file in files:
                known = np.load(file)
                real = known["points"][..., 2] > 0
                ragged = Ragged.from_counts(known["points"][real], real.sum(1))
                writer.append(points=ragged, label=known["label"])
        return {"sets": writer.count}

    def dataset(self, store: Store, **options: Any) -> Dataset[Any]:
        return Points(store)

    def loss(self, outputs: Sequence[Tensor], batch: Mapping[str, Tensor], **options: Any) -> Tensor:
        validate(Strict, options, "train.loss")
        return nn.functional.cross_entropy(outputs[0], batch["label"])

    def target(self) -> Sequence[float]:
        return (-1.0, 1.0)

    # What checks of a network don't touch.
    def simulate(self, folder: Path, **options: Any) -> Mapping[str, Sequence[Path]]:
        return {split: [self.folder / f"{split}.npz"] for split in SPLITS}

    def published(self, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return {split: [name for name in names if name == f"{split}.npz"] for split in SPLITS}

    def read(self, file: Path, size: int, **options: Any) -> Iterator[Mapping[str, Sequence[np.ndarray]]]:
        yield {"points": list(np.load(file)["points"])}

    def evaluate(self, outputs: Any, targets: Any, folder: Path) -> Evaluation:
        return Evaluation({"share": float(np.mean(targets["label"]))}, "share")

    def not_worse(self, outputs: Any, champion: Any, targets: Any) -> tuple[bool, str]:
        return True, "there is nothing to compare"

    def study(self, network: nn.Module, datasets: Any, config: Any, folder: Path) -> Mapping[str, Any]:
        return {}
