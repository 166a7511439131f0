"""Small events and a small network of MLPF, for tests of its study."""

from __future__ import annotations

from typing import Any

import torch
from particle_flow.network import ParticleFlow
from torch import Tensor
from torch.utils.data import Dataset

from fair_hep.particleflow.synthetic import events


class Events(Dataset[Any]):
    """Synthetic events; the first has one element, the last none."""

    def __init__(self, size: int = 6, longest: int = 40) -> None:
        self.batch = events(size, 1, longest=longest)
        if size > 2:
            self.batch = {
                name: values.index_fill(0, torch.tensor([size - 1]), 0) for name, values in self.batch.items()
            }

    def __len__(self) -> int:
        return len(self.batch["elements"])

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        return {name: values[indices] for name, values in self.batch.items()}


def make_network(seed: int = 0) -> ParticleFlow:
    torch.manual_seed(seed)
    return ParticleFlow("compact", k=4).eval()
