"""A published ParticleNet of others, jetnet's (MIT; arXiv:2106.11535): what of it fits the contract, and what doesn't.

Theirs differs from ours, and from arXiv:1902.08570, in this:

- 3 relative features (eta, phi, pT) instead of 7, and 5 classes instead of 2;
- a block hands on what entered beside what it found (so 67, 195 and 451 columns) instead of adding a learned shortcut;
- its linear maps have biases, no batch norm stands before the first block, no ReLU behind a block;
- padding counts as particles: there is no mask, always 30 particles, in neighbours and in the mean.

So `import` refuses it, with every difference named. All but the last can be written as weights of our body, built with
other numbers; then both give the same answers. The package is never imported: it asks for coffea and energyflow.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from top_tagger.network import Body
from torch import Tensor, nn

from fair_hep.bundle.errors import ModelError
from fair_hep.models.weights.state import read_state
from fair_hep.nets.layers import MaskedBatchNorm
from fair_hep.project.import_ import run
from support.needs import require
from support.small import make_config, make_project

PARTICLES, FEATURES, CLASSES, K = 30, 3, 5, 16
#: Columns that a block finds; what entered is handed on behind them.
WIDTHS = (64, 128, 256)
#: Keeps what is handed on above 0, where a ReLU changes nothing; it is taken off again where it is read.
SHIFT = 4.0
NAMES = {
    "edge_convs.{i}.nn.model.0.weight": "body.blocks.{i}.edge.weight",
    "edge_convs.{i}.nn.model.3.weight": "body.blocks.{i}.linears.0.weight",
    "edge_convs.{i}.nn.model.6.weight": "body.blocks.{i}.linears.1.weight",
    "edge_convs.{i}.nn.model.1.{what}": "body.blocks.{i}.norms.0.{what}",
    "edge_convs.{i}.nn.model.4.{what}": "body.blocks.{i}.norms.1.{what}",
    "edge_convs.{i}.nn.model.7.{what}": "body.blocks.{i}.norms.2.{what}",
    "fc1.0.{what}": "body.hidden.{what}",
    "fc2.{what}": "body.classify.{what}",
}


@pytest.fixture(scope="module")
def folder() -> Path:
    spec = importlib.util.find_spec("jetnet")
    require(spec, "jetnet isn't installed: make peers")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "evaluation"


@pytest.fixture(scope="module")
def weights(folder: Path) -> Path:
    return folder / "fpnd_resources" / "jetnet" / f"{PARTICLES}_particles" / "pnet_state_dict.pt"


def knn_graph(points: Tensor, k: int, batch: Tensor) -> Tensor:
    """Do what torch_cluster's does, which has no wheel: edges from the k nearest others of the same set."""
    apart = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    apart = apart.masked_fill(batch[:, None] != batch[None], torch.inf).fill_diagonal_(torch.inf)
    nearest = apart.topk(k, largest=False).indices
    return torch.stack([nearest.flatten(), torch.arange(len(points)).repeat_interleave(k)])


@pytest.fixture
def theirs(folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """Return their network, by their code, in float64."""
    importlib.import_module("torch_geometric.nn")  # it looks for the real one when it is imported
    cluster = types.ModuleType("torch_cluster")
    cluster.knn_graph = knn_graph  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch_cluster", cluster)
    spec = importlib.util.spec_from_file_location("jetnet_particlenet", folder / "particlenet.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network: nn.Module = module._ParticleNet(PARTICLES, FEATURES)
    network.load_state_dict(read_state(weights))
    return network.double().eval()


def rewritten(state: dict[str, Tensor]) -> Body:
    """Write their weights as those of a body of ours, built with their numbers."""
    state = {name: tensor.double() for name, tensor in state.items()}
    totals = [FEATURES]
    for width in WIDTHS:
        totals.append(totals[-1] + width)
    blocks = tuple((K, (width, width, total)) for width, total in zip(WIDTHS, totals[1:], strict=True))
    body = Body(blocks, 256, features=FEATURES, classes=CLASSES).double().eval()
    with torch.no_grad():
        _identity(body.norm)
        for number, block in enumerate(body.blocks):
            _write_block(block, state, number, shift=SHIFT if number else 0.0)
        hidden = state["fc1.0.weight"]
        body.hidden.weight.copy_(hidden)
        body.hidden.bias.copy_(state["fc1.0.bias"] - SHIFT * hidden[:, -FEATURES:].sum(1))
        body.classify.weight.copy_(state["fc2.weight"])
        body.classify.bias.copy_(state["fc2.bias"])
    return body


def _identity(norm: MaskedBatchNorm, rows: slice = slice(None)) -> None:
    """Let a batch norm change nothing in some rows."""
    assert norm.running_var is not None
    norm.running_var[rows] = 1.0
    norm.weight[rows] = (1.0 + norm.eps) ** 0.5


def _write_block(block: Any, state: dict[str, Tensor], number: int, *, shift: float) -> None:
    """Write one block; the last columns that enter, the features themselves, are shifted."""
    width = WIDTHS[number]
    maps = (block.edge, *block.linears)
    for place, (linear, norm) in enumerate(zip(maps, block.norms, strict=True)):

        def named(part: int, what: str, place: int = place) -> Tensor:
            return state[f"edge_convs.{number}.nn.model.{3 * place + part}.{what}"]

        weight, mean = named(0, "weight"), named(1, "running_mean") - named(0, "bias")
        if place == 0:
            inputs = weight.shape[1] // 2
            mean = mean + shift * weight[:, inputs - FEATURES : inputs].sum(1)
        # The last map has more rows than theirs: nothing is found there.
        for parameter in (linear.weight, norm.weight, norm.bias, norm.running_mean):
            parameter.zero_()
        linear.weight[:width] = weight
        norm.running_mean[:width], norm.running_var[:width] = mean, named(1, "running_var")
        norm.weight[:width], norm.bias[:width] = named(1, "weight"), named(1, "bias")
    kept = slice(width, None)
    block.shortcut.weight.zero_()
    block.shortcut.weight[kept].fill_diagonal_(1.0)
    for parameter in (block.shortcut_norm.weight, block.shortcut_norm.bias):
        parameter.zero_()
    _identity(block.shortcut_norm, kept)
    if number == 0:
        block.shortcut_norm.bias[kept] = SHIFT


def jets(seed: int, count: int = 12) -> Tensor:
    """Return relative features of full jets: two angles, and fractions of the momentum that sum to 1."""
    generator = torch.Generator().manual_seed(seed)
    angles = 0.2 * torch.randn(count, PARTICLES, 2, generator=generator, dtype=torch.float64)
    shares = torch.rand(count, PARTICLES, 1, generator=generator, dtype=torch.float64) ** 3
    return torch.cat([angles, shares / shares.sum(1, keepdim=True)], -1)


def test_import_refuses_it_and_names_all_that_differs(weights: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    path = project.root / "jetnet.yaml"
    path.write_text(yaml.safe_dump({"names": NAMES, "ignore": ["edge_nets.{i}.model.{j}.{what}"]}))
    with pytest.raises(ModelError) as caught:
        run(project, make_config(project, "model.preset=full"), weights=weights, names=str(path))
    line = str(caught.value)
    missing, left, different = (
        line.partition(f"{word} (")[2].partition(")")[0] for word in ("missing", "left over", "different")
    )
    # The norm before the first block, and three shortcuts with a norm each; nine biases; what has other sizes.
    assert (int(missing), int(left), int(different)) == (4 + 3 * 5, 9, 3 + 1 + 1 + 1)
    for words in ("body.norm.weight", "body.blocks.2.shortcut.weight", "edge_convs.1.nn.model.3.bias"):
        assert words in line
    assert "edge_convs.0.nn.model.0.weight has shape [64, 6], expected [64, 14]" in line
    assert "fc2.weight has shape [5, 256], expected [2, 256]" in line
    assert not project.run("quick", "train").exists()


def test_our_body_with_their_numbers_gives_their_answers(theirs: nn.Module, weights: Path) -> None:
    body = rewritten(read_state(weights))
    features = jets(1)
    mask = torch.ones(features.shape[:2], dtype=torch.bool)
    with torch.no_grad():
        ours, wanted = body(features, features[..., :2], mask), theirs(features)
    assert float(wanted.abs().max()) > 1.0
    torch.testing.assert_close(ours, wanted, rtol=1e-10, atol=1e-10)


def test_padding_counts_in_theirs(theirs: nn.Module, weights: Path) -> None:
    """What no weights can mend: jets with fewer particles have another mean and other neighbours."""
    features = jets(2)
    features[:, PARTICLES - 5 :] = 0.0
    mask = torch.ones(features.shape[:2], dtype=torch.bool)
    mask[:, PARTICLES - 5 :] = False
    with torch.no_grad():
        ours, wanted = rewritten(read_state(weights))(features, features[..., :2], mask), theirs(features)
    assert float((ours - wanted).abs().max()) > 1e-2
