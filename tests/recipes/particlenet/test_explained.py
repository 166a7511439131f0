"""ParticleNet's explained graph: the edges of every block, by pair."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fair_hep import bundle
from fair_hep.bundle import Relevance
from fair_hep.bundle.errors import ModelError
from fair_hep.bundle.runtime import load
from fair_hep.export.explained_parity import by_pair, default_target
from fair_hep.export.faces import load_network
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.tracing.explained import Explained, export_explained
from support.recipes import model as model_named

MODEL = model_named("particlenet")


def test_edges_of_every_block_are_the_engines(bundled: tuple[Project, Config]) -> None:
    model = load(bundled[0].bundle, threads=1)
    assert model.signature.explained is not None
    how = model.signature.explained.how
    particles = bundle.read_arrays(bundled[0].bundle / "examples/inputs.npz")["particles"]
    weights = default_target(MODEL, how.target, particles)
    network = load_network(bundled[0].bundle, model.signature, MODEL)
    with Explained(MODEL, network, how) as explained:
        values = explained(torch.from_numpy(particles), torch.from_numpy(weights))
    ours = dict(zip([spec.name for spec in model.signature.explained.outputs], values, strict=True))
    theirs = model.explain(particles)
    same = 0
    for number, found in enumerate(theirs):
        for block in range(2):
            names = [f"edge{block}_{kind}" for kind in ("index", "relevance", "share")]
            wanted = [ours[name][number].numpy() for name in names]
            given = [found[name] for name in names]
            for place in (1, 2):
                pairs, values_ = by_pair(given[0], given[place])
                known, expected = by_pair(wanted[0], wanted[place])
                if np.array_equal(pairs, known):
                    same += 1
                    np.testing.assert_allclose(values_, expected, atol=2e-3 * np.abs(expected).max())
            share = np.where(given[0] >= 0, given[2], 0.0)
            assert share.sum() == np.float32(1) or abs(share.sum() - 1) < 1e-4
    assert same >= 0.8 * 4 * len(particles)


def test_edges_are_those_of_neighbours_that_exist(bundled: tuple[Project, Config]) -> None:
    model = load(bundled[0].bundle, threads=1)
    jet = bundle.read_arrays(bundled[0].bundle / "examples/inputs.npz")["particles"][0]
    (found,) = model.explain([jet[jet[:, 0] > 0][:5]])
    for block in range(2):
        index = found[f"edge{block}_index"]
        assert index.shape[0] == 5
        # Five constituents have four others each: the other slots are empty, and none is the constituent itself.
        assert ((index >= 0).sum(1) == 4).all()
        assert (index != np.arange(5)[:, None]).all()
        assert not found[f"edge{block}_relevance"][index < 0].any()


class _Branches(torch.nn.Module):
    """Goes another way for other values: no graph can say that."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.nn.Linear(7, 2)

    def forward(self, features: torch.Tensor, *context: torch.Tensor) -> torch.Tensor:
        if float(features.detach().sum()) > 0:
            features = features * 2.0
        result: torch.Tensor = self.last(features.sum(1))
        return result


def test_a_network_that_cannot_be_recorded_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = MODEL.build(preset="lite").eval()
    network.body = _Branches().eval()
    monkeypatch.setattr(type(MODEL), "edges", lambda self, network: {})
    how = Relevance(composite="epsilon", bias="absorb", epsilon=1e-6, target=[-1.0, 1.0], tolerance=1e-3)
    with pytest.raises(ModelError, match=r"x\.onnx: the explanation can't be recorded") as caught:
        export_explained(MODEL, network, tmp_path / "x.onnx", how, opset=20, metadata={})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x.onnx").exists()
