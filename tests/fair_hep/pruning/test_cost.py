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
