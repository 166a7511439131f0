"""Which graph belongs to which place: by name, of the last pass, and never by the order of calls."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fair_hep.bundle.errors import ExplainError
from fair_hep.lrp.edges import frozen_graphs, graphs_found

FINDERS = {"one": "first", "two": "second", "three": "second"}
KEPT = torch.tensor([[True, True, False]])


class Finder(nn.Module):
    """Find the neighbour that stands so many places further; the last element has none."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return neighbours and which of them exist, each ``[sets, elements, 1]``."""
        index = (torch.arange(values.shape[1]) + self.step) % values.shape[1]
        valid = torch.arange(values.shape[1]) < values.shape[1] - 1
        return index.expand(len(values), -1)[..., None], valid.expand(len(values), -1)[..., None]


class Network(nn.Module):
    """Find two graphs, the second one first; ``again``: with one finder for both."""

    def __init__(self, *, again: bool = False) -> None:
        super().__init__()
        self.first, self.second, self.again = Finder(1), Finder(2), again

    def forward(self, values: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return both."""
        return [self.second(values), (self.second if self.again else self.first)(values)]


def test_every_place_has_its_own_graph_of_the_last_pass() -> None:
    network = Network()
    with graphs_found(network, FINDERS) as graphs:
        assert graphs == {}
        network(torch.zeros(2, 5))
        network(torch.zeros(1, 3))
    assert {place: graph[0, :, 0].tolist() for place, graph in graphs.items()} == {
        "one": [1, 2, -1], "two": [2, 0, -1], "three": [2, 0, -1],
    }  # fmt: skip
    network(torch.zeros(1, 4))
    assert graphs["one"].shape == (1, 3, 1)


def test_several_graphs_of_one_finder_are_refused() -> None:
    network = Network(again=True)
    with (
        pytest.raises(ExplainError, match=r"'second' finds several graphs in one pass, .* that of 'two'"),
        graphs_found(network, {"one": "first", "two": "second"}),
    ):
        network(torch.zeros(1, 3))
    # Nothing stays behind.
    assert len(network(torch.zeros(1, 3))) == 2


def test_given_graphs_are_found_less_what_is_not_kept() -> None:
    network = Network()
    graphs = {place: torch.tensor([[[1], [2], [0]]]) for place in FINDERS}
    with frozen_graphs(network, {"one": "first"}, graphs, KEPT):
        (_, (index, valid)) = network(torch.zeros(1, 3))
    assert index[0, :, 0].tolist() == [1, 2, 0]
    assert valid[0, :, 0].tolist() == [True, False, False]
