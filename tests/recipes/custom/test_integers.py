"""Inputs that are whole numbers: what is explained is weighted by numbers that aren't."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from my_tagger import MODEL
from my_tagger.network import Body, Hyperparameters
from torch import Tensor, nn

from fair_hep.bundle import Relevance
from fair_hep.bundle.session import compute, session
from fair_hep.export.explained_parity import compare_explained
from fair_hep.tracing.explained import export_explained
from fair_hep.tracing.graph import graph_inputs


class Counted(nn.Module):
    """The custom example's body on whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.body = Hundredths(), Body(Hyperparameters())

    def forward(self, hits: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.body(*self.features(hits))
        return logits


class Hundredths(nn.Module):
    """Whole numbers divided by a hundred."""

    def forward(self, hits: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and mask."""
        mask = (hits != 0).any(-1)
        return torch.where(mask[..., None], hits.to(torch.get_default_dtype()) / 100, 0.0), mask


class Model(type(MODEL)):  # type: ignore[misc]
    """The custom example with one input of whole numbers."""

    inputs = (MODEL.inputs[0].model_copy(update={"name": "hits", "dtype": "int64"}),)

    def example(self, size: int, seed: int) -> dict[str, Tensor]:
        """Return random numbers."""
        generator = torch.Generator().manual_seed(seed)
        return {"hits": torch.randint(-500, 500, (size, 20, 4), generator=generator)}

    def target(self) -> Sequence[float]:
        """Return half the difference."""
        return (-0.5, 0.5)


def test_weights_are_no_whole_numbers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, network, path = Model(), Counted().eval(), tmp_path / "explained.onnx"
    how = Relevance(composite="epsilon", bias="absorb", epsilon=1e-6, target=list(model.target()), tolerance=1e-3)
    export_explained(model, network, path, how, opset=20, metadata={})
    hits = model.example(6, 1)["hits"].numpy()
    assert compare_explained(model, network, path, {"hits": hits}, inputs=graph_inputs(model), how=how)
    names = ["logits", "relevance", "ledger"]
    weights = np.tile(np.asarray(model.target(), np.float32), (6, 1))
    found = compute(session(path), names, {"hits": hits, "target": weights})
    explained = (found["logits"] * weights).sum(1)
    assert np.abs(explained).min() > 0
    total = found["relevance"].sum((1, 2)) + found["ledger"][:, :3].sum(1)
    np.testing.assert_allclose(total, explained, rtol=1e-4)
