"""Batch norms are folded exactly, wherever they stand, and the network keeps its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fair_hep.lrp import COMPOSITES, explain
from support.folded import folded_names


def values() -> Tensor:
    return torch.rand(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.3


class Before(nn.Module):
    """A norm before two linear layers, as ParticleNet's input normalisation stands."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.one, self.two = nn.BatchNorm1d(5), nn.Linear(5, 4), nn.Linear(5, 4, bias=False)
        self.last = nn.Linear(4, 2)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        result: Tensor = self.last(self.act(self.one(x)) + self.two(x))
        return result


class Concatenated(nn.Module):
    """A norm after a concatenation of two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.norm = nn.Linear(5, 3), nn.Linear(5, 4, bias=False), nn.BatchNorm1d(7)
        self.act, self.last = nn.ReLU(), nn.Linear(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.last(self.act(self.norm(torch.cat([self.one(x), self.two(x)], 1))))
        return result


class Alone(nn.Module):
    """A norm between two activations: it has no linear neighbour."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.act, self.norm, self.last = nn.Linear(5, 5), nn.ReLU(), nn.BatchNorm1d(5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.last(self.act(self.norm(self.act(self.first(x)))))
        return result


class Pointwise(nn.Module):
    """Convolutions of width one, with norms before and after, as some write networks on sets."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.first, self.after = nn.BatchNorm1d(5), nn.Conv1d(5, 4, 1), nn.BatchNorm1d(4)
        self.act, self.last = nn.ReLU(), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, None] * torch.linspace(0.5, 1.5, 3, dtype=x.dtype)
        result: Tensor = self.last(self.act(self.after(self.first(self.norm(x)))).mean(2))
        return result


NETWORKS = [
    nn.Sequential(nn.Linear(5, 4, bias=False), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)),
    nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.3), nn.BatchNorm1d(4, affine=False), nn.ReLU(), nn.Linear(4, 2)),
    Before(),
    Concatenated(),
    Pointwise(),
]


def initial(network: nn.Module) -> Any:
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d) and module.affine:
            module.weight.data.uniform_(0.5, 2, generator=generator)
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network.double().eval()


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: type(n).__name__)
def test_norms_with_linear_neighbours_are_folded(network: nn.Module) -> None:
    network = initial(network)
    norms = {name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm1d)}
    assert folded_names(network, [values()]) == norms
    plain = network(values())
    for name in COMPOSITES:
        if type(network) is Pointwise and COMPOSITES[name].first.__class__.__name__ in ("Flat", "WSquare", "Box"):
            continue
        found = explain(network, values(), [1.0, -1.0], composite=name, bounds=(-1.0, 1.0))
        assert torch.allclose(found.outputs, plain, atol=1e-12)
        assert found.ledger.closes(torch.float64)
    assert torch.equal(network(values()), plain)


def test_a_norm_without_a_linear_neighbour_is_a_layer_of_its_own() -> None:
    network = initial(Alone())
    # It stands between two activations: no linear layer is next to it.
    assert folded_names(network, [values()]) == set()
    for name in ("epsilon", "gamma", "epsilon-alpha2-beta1"):
        found = explain(network, values(), 1, composite=name)
        assert found.ledger.closes(torch.float64)
        assert torch.allclose(found.outputs, network(values()), atol=1e-12)


def test_folding_gives_the_relevance_of_a_network_that_was_folded_by_hand() -> None:
    torch.manual_seed(0)
    network = initial(nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)))
    linear, norm = network[0], network[1]
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    by_hand = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)).double().eval()
    folded = {
        "0.weight": linear.weight * scale[:, None],
        "0.bias": (linear.bias - norm.running_mean) * scale + norm.bias,
    }
    by_hand.load_state_dict({**folded, "2.weight": network[3].weight, "2.bias": network[3].bias})
    for name in ("epsilon", "gamma", "epsilon-plus-flat", "epsilon-gamma-box"):
        one, other = (explain(n, values(), 0, composite=name, bounds=(-1.0, 1.0)).relevance for n in (network, by_hand))
        assert torch.allclose(one, other, atol=1e-13)


def test_a_norm_that_something_else_reads_is_not_folded_forward() -> None:
    class Shared(Before):
        def forward(self, x: Tensor) -> Tensor:
            x = self.norm(x)
            result: Tensor = self.last(self.act(self.one(x)) + self.two(x)) + x[:, :2]
            return result

    network = initial(Shared())
    assert folded_names(network, [values()]) == set()
    assert explain(network, values(), 0).ledger.closes(torch.float64)
