"""Layers of torch and of PyTorch Geometric: a network without half of each is one that doesn't hear them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn import conv, global_mean_pool

from fair_hep.bundle.errors import ModelError
from fair_hep.nets.channels import heads_of, layers_of, narrowed, of_each_channel, resized, sizes_of
from fair_hep.pruning.groups import Group, find_groups, without
from fair_hep.pruning.verified import apart

NODES, EDGES = 12, 40


class Graphs(nn.Module):
    """Two layers of messages and a head, on flat nodes."""

    def __init__(self, make: Callable[[int, int], nn.Module], width: int) -> None:
        super().__init__()
        self.first, self.second = make(3, 4), make(width, 4)
        self.head = nn.Sequential(nn.Linear(width, 6), nn.PReLU(), nn.Linear(6, 2))

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        x = torch.relu(self.first(x, edge_index))
        x = torch.relu(self.second(x, edge_index=edge_index))
        found: Tensor = self.head(global_mean_pool(x, batch, 2))
        return found


def perceptron(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, outputs))


LAYERS: dict[str, tuple[Callable[[int, int], nn.Module], int]] = {
    "ChebConv": (lambda a, b: conv.ChebConv(a, b, 2), 4),
    "ClusterGCNConv": (conv.ClusterGCNConv, 4),
    "EdgeConv": (lambda a, b: conv.EdgeConv(perceptron(2 * a, b)), 4),
    "GATConv": (lambda a, b: conv.GATConv(a, b, heads=3, residual=True), 12),
    "GATv2Conv": (lambda a, b: conv.GATv2Conv(a, b, heads=3, residual=True), 12),
    "GATv2Conv, mean of heads": (lambda a, b: conv.GATv2Conv(a, b, heads=3, concat=False), 4),
    "GATv2Conv, shared": (lambda a, b: conv.GATv2Conv(a, b, heads=2, share_weights=True), 8),
    "GCNConv": (conv.GCNConv, 4),
    "GINConv": (lambda a, b: conv.GINConv(perceptron(a, b), train_eps=True), 4),
    "GraphConv": (conv.GraphConv, 4),
    "LEConv": (conv.LEConv, 4),
    "MixHopConv": (lambda a, b: conv.MixHopConv(a, b, powers=[0, 2]), 8),
    "SAGEConv": (conv.SAGEConv, 4),
    "SGConv": (lambda a, b: conv.SGConv(a, b, K=2), 4),
    "SSGConv": (lambda a, b: conv.SSGConv(a, b, alpha=0.5), 4),
    "TAGConv": (lambda a, b: conv.TAGConv(a, b, K=2), 4),
}


def halved(body: nn.Module, values: tuple[Any, ...]) -> tuple[tuple[Group, ...], dict[str, Tensor], float]:
    """Return groups, a random half of each, and how far the network without it is from one that doesn't hear it."""
    groups = find_groups(body, values)
    removed = {group.name: torch.randperm(group.size)[: group.size // 2] for group in groups}
    return groups, removed, apart(body, values, groups, removed)


def shaken(body: nn.Module) -> nn.Module:
    """Return a body in double precision with random numbers for all weights: many begin as 0 or 1."""
    for parameter in body.parameters():
        nn.init.normal_(parameter)
    return body.double().eval()


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_pytorch_geometric_get_smaller(name: str) -> None:
    torch.manual_seed(2)
    make, width = LAYERS[name]
    body = shaken(Graphs(make, width))
    values = (torch.randn(NODES, 3).double(), torch.randint(NODES, (2, EDGES)), torch.arange(NODES) % 2)
    groups, removed, difference = halved(body, values)
    assert difference < 1e-10
    small = without(body, groups, removed)
    assert small.get_submodule("head.0").in_features == width // 2, "channels of all heads go together"
    for part, layer in layers_of(body).items():
        made = resized(layer, sizes_of(small.get_submodule(part)))
        weights = {key: value.shape for key, value in small.get_submodule(part).state_dict().items()}
        assert weights == {key: value.shape for key, value in made.state_dict().items()}


@pytest.mark.parametrize("name", LAYERS)
def test_what_belongs_to_a_channel_is_what_goes_with_it(name: str) -> None:
    for layer in layers_of(shaken(LAYERS[name][0](5, 4))).values():
        squares = {key: value.detach().square() for key, value in layer.named_parameters()}
        inputs, outputs = sizes_of(layer)
        heads = heads_of(layer)
        gone = torch.arange(heads) * (outputs // heads) + 1
        stay = torch.ones(outputs, dtype=torch.bool).index_fill(0, gone, False).nonzero()[:, 0]
        small = narrowed(layer, torch.arange(inputs), stay)
        less = sum(float(value.detach().square().sum()) for value in small.parameters())
        total = sum(float(value.sum()) for value in squares.values())
        belongs = of_each_channel(layer, "outputs", squares)[gone].sum()
        assert float(belongs) == pytest.approx(total - less, rel=1e-9)


def test_heads_lose_as_many() -> None:
    layer = conv.GATv2Conv(3, 4, heads=3)
    with pytest.raises(ModelError, match="got 8 channels that leave, expected a multiple of 3"):
        resized(layer, (3, 8))


class Pictures(nn.Module):
    """Convolutions over elements in a row, and their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.Conv1d(3, 6, 3), nn.BatchNorm1d(6), nn.ReLU(), nn.Conv1d(6, 5, 1), nn.ReLU())
        self.last = nn.Linear(5, 2)

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = self.last(self.maps(values.transpose(1, 2)).mean(2))
        return found


class Normed(nn.Module):
    """A transformer's second half: what is normalised over its channels keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.norm = nn.Linear(3, 4), nn.LayerNorm(4)
        self.inner, self.leave = nn.Linear(4, 8), nn.Linear(8, 4)
        self.last = nn.Linear(4, 2)

    def forward(self, values: Tensor) -> Tensor:
        rows = self.enter(values)
        rows = rows + self.leave(torch.relu(self.inner(self.norm(rows))))
        found: Tensor = self.last(rows.mean(1))
        return found


class Weights(nn.Module):
    """How much every element looks at every other, in two heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(width, 6), nn.Linear(width, 6)
        self.softmax = nn.Softmax(3)

    def forward(self, rows: Tensor) -> Tensor:
        query, key = (part(rows).unflatten(2, (2, -1)).transpose(1, 2) for part in (self.query, self.key))
        found: Tensor = self.softmax(query @ key.transpose(2, 3) / 3**0.5)
        return found


class Attention(nn.Module):
    """Attention that is written out: explanations hold its weights constant, so that queries and keys stay."""

    held: tuple[str, ...] = ("weights",)

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.weights, self.value = nn.Linear(3, 4), Weights(4), nn.Linear(4, 6)
        self.token = nn.Parameter(torch.zeros(1, 1, 4))
        self.last = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))

    def forward(self, values: Tensor) -> Tensor:
        rows = torch.relu(self.enter(values)) + self.token
        sent = self.value(rows).unflatten(2, (2, -1)).transpose(1, 2)
        found: Tensor = self.last((self.weights(rows) @ sent).transpose(1, 2).flatten(2).mean(1))
        return found


class Unheld(Attention):
    """Behind a product of two activations nobody knows which axis has the channels: they stay."""

    held = ()


class Joined(nn.Module):
    """Channels of all elements in one row: a channel is in it as often as there are elements."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.first, self.last = nn.Linear(3, 4), nn.Linear(28, 5), nn.Linear(5, 2)

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = self.last(torch.relu(self.first(self.enter(values).flatten(1))))
        return found


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (Pictures, {"maps.0": 6, "maps.3": 5}),
        (Normed, {"inner": 8}),
        (Attention, {"value": 3, "last.0": 5}),
        (Unheld, {"last.0": 5}),
        (Joined, {"first": 5}),
    ],
)
def test_layers_of_torch_get_smaller_or_stay(body: type[nn.Module], expected: dict[str, int]) -> None:
    torch.manual_seed(2)
    groups, _, difference = halved(shaken(body()), (torch.randn(2, 7, 3).double(),))
    assert difference < 1e-10
    assert {group.name: group.size for group in groups} == expected
