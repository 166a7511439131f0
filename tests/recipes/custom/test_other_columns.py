"""Constituents without masses, (pt, eta, phi): everything is measured and drawn but what needs four-momenta."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fair_hep import Columns, element_features, particle_set
from fair_hep.check import CHECKS
from support import recipes

COLUMNS = ("pt", "eta", "phi")
CUSTOM: Any = type(recipes.model("custom"))
EXPLAIN: Any = importlib.import_module("my_tagger.explain")


class Features(nn.Module):
    def forward(self, particles: Tensor) -> tuple[Tensor, Tensor]:
        pt, eta, phi = particles.unbind(-1)
        mask = pt > 0
        return torch.where(mask[..., None], torch.stack([torch.log1p(pt), eta, phi], -1), 0.0), mask


class Body(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.each, self.whole = nn.Sequential(nn.Linear(3, 8), nn.ReLU()), nn.Linear(8, 2)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = self.whole((self.each(features) * mask[..., None]).sum(1))
        return logits


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features, self.body = Features(), Body()

    def forward(self, particles: Tensor) -> Tensor:
        logits: Tensor = self.body(*self.features(particles))
        return logits


class Massless(CUSTOM):
    inputs = (particle_set(columns=COLUMNS),)
    features = element_features(COLUMNS)
    columns = Columns(elements=dict(zip(COLUMNS, COLUMNS, strict=True)), label="label")

    def build(self, **hyperparameters: Any) -> nn.Module:
        return Network()


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    batch = Massless().example(60, 1)
    arrays = dict(zip(COLUMNS, np.moveaxis(batch["particles"].numpy(), -1, 0), strict=True))
    for split in ("train", "val", "test"):
        np.savez(tmp_path / f"{split}.npz", label=batch["label"].numpy(), **arrays)
    return tmp_path


def test_what_needs_masses_is_left_out(
    sample: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(EXPLAIN, "COMPONENTS", COLUMNS)
    with caplog.at_level(logging.WARNING):
        CHECKS["figures_are_drawn"](Massless(), {}, sample)
    assert "no cuts on jet mass and tau32 are measured: the columns pt, eta, phi don't give them" in caplog.text


def test_a_figure_that_asks_for_more_is_found_before_a_training(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mean_maps(path: Path) -> np.ndarray:
        return np.zeros(COLUMNS.index("E"))

    monkeypatch.setattr(EXPLAIN, "mean_maps", mean_maps)
    # The recipe still says that energies come in, so its map of relevances is drawn.
    with pytest.raises(Exception, match=r"the study raised ValueError: tuple.index.*test_other_columns.py, line"):
        CHECKS["figures_are_drawn"](Massless(), {}, sample)
