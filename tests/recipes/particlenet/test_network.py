"""ParticleNet: parameter counts, and numbers equal to an independent implementation with the same weights."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import pytest
import torch
from top_tagger.network import PRESETS, ParticleNet
from torch import Tensor, nn

from fair_hep.models.synthetic import jets
from fair_hep.nets.layers import EdgeConv
from support.needs import require


@pytest.mark.parametrize(("preset", "parameters"), [("full", 366_160), ("lite", 26_416)])
def test_parameter_counts_are_the_published_ones(preset: str, parameters: int) -> None:
    assert sum(p.numel() for p in ParticleNet(preset).parameters()) == parameters


def randomised(preset: str, seed: int = 0) -> ParticleNet:
    """Return a network in float64 and evaluation mode whose batch norms are far from the identity."""
    torch.manual_seed(seed)
    network = ParticleNet(preset).double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.weight, 1.0, 0.2)
            nn.init.normal_(module.bias, 0.0, 0.2)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, 0.0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network


def _weaver(network: ParticleNet, preset: str) -> Any:
    """Return weaver-core's ParticleNet with the weights of ours."""
    require(importlib.util.find_spec("weaver"), "weaver-core isn't installed: make peers")
    module = importlib.import_module("weaver.nn.model.ParticleNet")
    blocks, head = PRESETS[preset]
    theirs: Any = module.ParticleNet(7, 2, conv_params=list(blocks), fc_params=[(head, 0.1)], use_fusion=False).double()
    body: Any = network.body

    def norm(target: nn.Module, source: nn.Module) -> None:
        target.load_state_dict(source.state_dict())

    norm(theirs.bn_fts, body.norm)
    for target, source in zip(theirs.edge_convs, body.blocks, strict=True):
        assert isinstance(source, EdgeConv)
        weights: list[Tensor] = [source.edge.weight, *(linear.weight for linear in source.linears)]  # type: ignore[list-item]
        for conv, weight in zip(target.convs, weights, strict=True):
            conv.weight.data = weight.detach()[:, :, None, None].clone()
        for theirs_norm, ours_norm in zip(target.bns, source.norms, strict=True):
            norm(theirs_norm, ours_norm)
        target.sc.weight.data = source.shortcut.weight.detach()[:, :, None].clone()
        norm(target.sc_bn, source.shortcut_norm)
    theirs.fc[0][0].load_state_dict(body.hidden.state_dict())
    theirs.fc[1].load_state_dict(body.classify.state_dict())
    return theirs.eval()


def _answers(preset: str, particles: Tensor) -> tuple[Tensor, Tensor]:
    network = randomised(preset)
    features, points, mask = network.features(particles.double())
    theirs = _weaver(network, preset)
    with torch.no_grad():
        ours = network(particles.double())
        other = theirs(points.transpose(1, 2), features.transpose(1, 2), mask[:, None].double())
    return ours, other


@pytest.mark.parametrize("preset", ["full", "lite"])
def test_numbers_agree_with_weaver_for_jets_with_more_than_k_constituents(preset: str) -> None:
    particles = jets(24, seed=1)["particles"]
    enough = (particles[..., 0] > 0).sum(1) > 17
    assert enough.sum() > 8
    ours, theirs = _answers(preset, particles[enough])
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_small_jets_differ_from_weaver_because_it_counts_padding_as_neighbours() -> None:
    """The documented difference: weaver always averages over k neighbours, ours over the min(k, n - 1) that exist."""
    particles = jets(40, seed=1)["particles"]
    few = (particles[..., 0] > 0).sum(1) <= 7
    assert few.any()
    ours, theirs = _answers("lite", particles)
    assert (ours - theirs).abs().amax(1)[few].min() > 1e-3
    torch.testing.assert_close(ours[~few], theirs[~few], rtol=1e-9, atol=1e-9)


def test_logits_are_finite_for_every_size() -> None:
    network = ParticleNet("lite").eval()
    for constituents in (1, 2, 7, 8, 200):
        assert network(jets(3, seed=1, longest=max(2, constituents))["particles"][:, :constituents]).isfinite().all()
    assert network(torch.zeros(2, 5, 4)).isfinite().all()


def test_training_moves_running_statistics_once_per_step() -> None:
    """The seed evaluated its edge network twice in every pass."""
    network = ParticleNet("lite").train()
    network(jets(8, seed=1)["particles"])
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d)]
    assert {module.num_batches_tracked.item() for module in norms if module.num_batches_tracked is not None} == {1}


def test_running_statistics_do_not_depend_on_padding() -> None:
    batch = jets(8, seed=1)["particles"].double()
    states = []
    for extra in (0, 30):
        torch.manual_seed(0)
        network = ParticleNet("lite").double().train()
        network(torch.cat([batch, batch.new_zeros(8, extra, 4)], 1))
        states.append(network.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], msg=name)
