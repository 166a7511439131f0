"""What networks cost, against the same counted by hand."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from fair_hep.pruning.cost import cost_of, mean_cost
from support import recipes


def test_a_perceptron_multiplies_as_often_as_it_has_weights() -> None:
    network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
    found = cost_of(network, {"input": torch.zeros(5, 3)})
    assert found == (3 * 8 + 8 * 2, 3 * 8 + 8 + 8 * 2 + 2)


def test_padding_is_left_out_of_the_mean() -> None:
    """Deep Sets: one network for each constituent, one for the jet."""
    model = recipes.model("custom")
    network = model.build().eval()
    particles = np.zeros((2, 9, 4), np.float32)
    particles[0, :3], particles[1, :9] = (5.0, 1.0, 2.0, 3.0), (5.0, 1.0, 2.0, 3.0)
    each, jet = 4 * 64 + 64 * 64 + 64 * 64, 64 * 64 + 64 * 64 + 64 * 2
    assert mean_cost(network, model.inputs, {"particles": particles}).macs == 6 * each + jet


def test_a_learned_token_may_be_given_to_a_layer() -> None:
    class Token(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.ones(1, 3))
            self.layer = nn.Linear(3, 4)

        def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - the name of what it takes
            found: torch.Tensor = self.layer(self.token) + self.layer(input)
            return found

    network = Token().eval()
    assert cost_of(network, {"input": torch.zeros(1, 3)}).macs == 2 * 3 * 4
    assert network.token.requires_grad
