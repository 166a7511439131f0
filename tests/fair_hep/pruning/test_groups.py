"""Channels that go together: a network without them gives what it gives when nobody hears them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fair_hep.bundle.errors import ModelError
from fair_hep.pruning.groups import find_groups, without
from fair_hep.pruning.verified import apart
from support import recipes
from support.particle_transformer import Hyperparameters, Network

CASES = [
    ("particlenet", {"preset": "lite"}),
    ("mlpf", {"preset": "compact"}),
    ("mlpf", {"preset": "corrections"}),
    ("mlpf", {"preset": "explained"}),
    ("custom", {}),
    ("graph", {}),
]


def answers(body: nn.Module, values: Sequence[Any]) -> list[Tensor]:
    """Return what a body gives."""
    with torch.no_grad():
        found = body(*values)
    return [found] if isinstance(found, Tensor) else list(found)


def prepared(name: str, hyperparameters: dict[str, str]) -> tuple[nn.Module, tuple[Any, ...]]:
    """Return a network with random weights and statistics, in double precision, and features of some examples."""
    model = recipes.model(name)
    torch.manual_seed(1)
    network = model.build(**hyperparameters).eval()
    batch = model.example(3, 0)
    found = network.get_submodule("features")(*(batch[s.name] for s in model.inputs if s.name in batch))
    body = network.get_submodule("body").double()
    for part in body.modules():
        if isinstance(part, nn.BatchNorm1d):
            assert part.running_mean is not None
            assert part.running_var is not None
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
            nn.init.normal_(part.bias)
    return body, tuple(v.double() if v.is_floating_point() else v for v in found)


@pytest.mark.parametrize(("name", "hyperparameters"), CASES)
def test_a_network_without_channels_is_one_whose_layers_do_not_hear_them(
    name: str, hyperparameters: dict[str, str]
) -> None:
    body, values = prepared(name, hyperparameters)
    groups = find_groups(body, values)
    removed = {group.name: torch.randperm(group.size)[: group.size // 2] for group in groups}
    assert apart(body, values, groups, removed) < 1e-10
    small = without(body, groups, removed)
    found, whole = answers(small, values), answers(body, values)
    assert any(not torch.allclose(one, other, rtol=1e-6) for one, other in zip(found, whole, strict=True))
    before, after = (sum(p.numel() for p in part.parameters()) for part in (body, small))
    assert after < 0.45 * before


@pytest.mark.parametrize(("name", "hyperparameters"), CASES)
def test_features_and_outputs_stay(name: str, hyperparameters: dict[str, str]) -> None:
    body, values = prepared(name, hyperparameters)
    groups = find_groups(body, values)
    gone = {group.name: torch.arange(group.size - 1) for group in groups}
    whole, small = answers(body, values), answers(without(body, groups, gone), values)
    assert [one.shape for one in small] == [one.shape for one in whole]


def test_a_transformer_of_somebody_keeps_the_order_of_its_heads() -> None:
    torch.manual_seed(1)
    network = Network(Hyperparameters()).double().eval()
    particles = recipes.model("custom").example(3, 0)["particles"].double()
    values = network.features(particles)
    groups = find_groups(network.body, values)
    sizes = {group.name: group.size for group in groups}
    assert sizes == {"embed.0": 32} | {f"{name}attention.value": 16 for name in ("", "blocks.0.", "blocks.1.")}
    removed = {group.name: torch.randperm(group.size)[: group.size // 2] for group in groups}
    assert apart(network.body, values, groups, removed) < 1e-10


class Own(nn.Module):
    """Weights of its own, and a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.scale = nn.Sequential(nn.PReLU(6))
        self.last = nn.Linear(6, 2)

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = self.last(self.scale(self.first(values)))
        return found


def test_a_layer_that_nobody_told_of_is_one_line_and_can_be_kept() -> None:
    values = (torch.randn(3, 4),)
    with pytest.raises(ModelError, match=r"scale\.0 \(PReLU\); tell it by .*register, or .* with prune\.keep"):
        find_groups(Own().eval(), values)
    with pytest.raises(ModelError, match="nothing to prune"):
        find_groups(Own().eval(), values, keep=["scale"])


def test_what_is_kept_stays() -> None:
    body, values = prepared("custom", {})
    names = {group.name for group in find_groups(body, values, keep=["jet"])}
    assert names == {"constituent.0", "constituent.2"}


def test_a_single_layer_has_nothing_to_prune() -> None:
    with pytest.raises(ModelError, match="nothing to prune"):
        find_groups(nn.Linear(4, 2).eval(), (torch.randn(3, 4),))


def test_channels_that_are_added_and_joined_go_together() -> None:
    """Two layers whose outputs are added are one group; what is joined has its own place."""

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 5), nn.Linear(4, 5), nn.Linear(4, 3)
            self.last = nn.Linear(12, 2)

        def forward(self, values: Tensor) -> Tensor:
            added = torch.relu(self.a(values) + self.b(values))
            found: Tensor = self.last(torch.cat([values, added, self.c(values)], -1))
            return found

    groups = {group.name: group for group in find_groups(Joined().eval(), (torch.randn(3, 4),))}
    sizes = {frozenset(m.layer for m in group.of("outputs")): group.size for group in groups.values()}
    assert sizes == {frozenset("ab"): 5, frozenset("c"): 3}
    heard = {group.size: group.of("inputs")[0].places.tolist() for group in groups.values()}
    assert heard == {5: [[4], [5], [6], [7], [8]], 3: [[9], [10], [11]]}
