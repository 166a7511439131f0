"""The calorimeter as a graph: who shares a cell is near, whoever doesn't is far, as the detector's own grid has it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fair_hep.detector.cards import CMS
from fair_hep.nets.gravnet import GravNet
from fair_hep.nets.layers import Rows
from fair_hep.particleflow.cells import calorimeter_places

DEPTH = 3


def directions(count: int, reach: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.uniform(-reach, reach, count), random.uniform(-np.pi, np.pi, count)


def places(eta: np.ndarray, phi: np.ndarray, dtype: torch.dtype = torch.float64) -> Tensor:
    angle, sin, cos = (torch.tensor(values, dtype=dtype) for values in (eta, np.sin(phi), np.cos(phi)))
    return calorimeter_places(angle, sin, cos, torch.zeros(len(eta), dtype=torch.bool))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("reach", [1.6, 2.5, 5.0])
def test_who_shares_a_cell_is_near_and_nobody_else(reach: float, dtype: torch.dtype) -> None:
    # Few directions beside each of many others, so that pairs share cells and miss them narrowly.
    eta, phi = directions(300, reach * 0.95, 1)
    near = np.random.default_rng(2).uniform(-0.06, 0.06, (2, 300))
    eta, phi = np.concatenate([eta, eta + near[0]]), np.concatenate([phi, phi + near[1]])
    cell = CMS.hcal.grid.find(eta, (phi + np.pi) % (2 * np.pi) - np.pi)
    apart = torch.cdist(places(eta, phi, dtype), places(eta, phi, dtype)).numpy()
    same = (cell[:, None] == cell) & (cell >= 0)
    assert same.sum() > len(same) + 100
    assert apart[same].max() < 0.1
    assert apart[~same].min() > 0.45


def test_towers_of_the_electromagnetic_calorimeter_lie_deeper() -> None:
    zero, one = torch.zeros(1), torch.ones(1)
    apart = calorimeter_places(zero, zero, one, one > 0) - calorimeter_places(zero, zero, one, one < 0)
    assert apart[0, :DEPTH].tolist() == [0.0] * DEPTH
    assert 0 < float(apart[0, DEPTH]) < 0.5


def test_directions_that_no_cell_has_are_finite() -> None:
    assert places(np.array([-7.0, 7.0, 0.0]), np.array([0.0, 3.0, np.pi])).isfinite().all()


def test_a_convolution_over_cells_sums_what_shares_one() -> None:
    torch.manual_seed(0)
    layer = GravNet(2, 2, space=0, propagate=2, k=3).double()
    with torch.no_grad():
        layer.propagate.weight.copy_(torch.eye(2)), layer.propagate.bias.zero_()
        layer.combine.weight.copy_(torch.eye(2)), layer.combine.bias.zero_()
    where = places(np.array([0.05, 0.06, 1.2, 1.21]), np.array([0.02, 0.05, 2.03, 2.04]))
    values = torch.tensor([[1.0, 0.0], [0.0, 1.0], [5.0, 0.0], [0.0, 7.0]], dtype=torch.float64)
    found = layer(values, Rows(torch.ones(1, 4, dtype=torch.bool), packed=False), where)
    wanted = torch.tensor([[1.0, 1.0], [1.0, 1.0], [5.0, 7.0], [5.0, 7.0]], dtype=torch.float64)
    torch.testing.assert_close(found.detach(), wanted, rtol=0.01, atol=1e-3)
