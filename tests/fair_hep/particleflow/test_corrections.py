"""Momenta that correct what was measured: linear, right as rotations, and learned in units of the resolution."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from fair_hep.particleflow.columns import MOMENTA
from fair_hep.particleflow.corrections import CORRECTIONS, corrected, response_errors

TRACK, TOWER = 2.0, 1.0


def measured(phi: float = 2.0, charge: float = 1.0) -> Tensor:
    return torch.tensor([[charge, 1.5, -0.7, math.sin(phi), math.cos(phi), 2.5]], dtype=torch.float64)


@pytest.mark.parametrize("charge", [-1.0, 0.0, 1.0])
def test_no_correction_leaves_what_was_measured(charge: float) -> None:
    there = measured(charge=charge)
    assert corrected(there, torch.zeros(1, len(CORRECTIONS), dtype=torch.float64)).equal(there)


@pytest.mark.parametrize(("charge", "unit"), [(1.0, 0.01), (0.0, 0.05)])
@pytest.mark.parametrize("phi", [-3.0, 0.4, 3.1])
@pytest.mark.parametrize("turn", [-0.3, 1.2])
def test_sine_and_cosine_of_the_difference_turn_the_direction(
    phi: float, turn: float, charge: float, unit: float
) -> None:
    turned = [0.0, 0.0, math.sin(turn) / unit, (math.cos(turn) - 1) / unit, 0.0]
    found = corrected(measured(phi, charge), torch.tensor([turned], dtype=torch.float64))[0]
    assert float(found[MOMENTA.index("sin_phi")]) == pytest.approx(math.sin(phi + turn), abs=1e-12)
    assert float(found[MOMENTA.index("cos_phi")]) == pytest.approx(math.cos(phi + turn), abs=1e-12)


def test_logarithms_are_of_ratios_and_the_charge_is_the_tracks() -> None:
    found = corrected(measured(), torch.tensor([[1.0, 2.0, 0.0, 0.0, -1.0]], dtype=torch.float64))[0]
    torch.testing.assert_close(found[[0, 1, 2, 5]], torch.tensor([1.0, 1.7, -0.68, 2.3], dtype=torch.float64))


def test_a_tower_is_corrected_less_where_it_is_measured_better() -> None:
    step = torch.tensor([[0.0, 0.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    for energy, unit in ((1.0, 0.5), (9.0, 0.5), (100.0, 0.15)):
        there = measured(charge=0.0)
        there[0, 5] = math.log(energy)
        assert float(corrected(there, step)[0, 5] - there[0, 5]) == pytest.approx(unit)


def errors(kind: float, found: list[float], wanted: list[float], pt: float = 10.0) -> Tensor:
    elements = torch.zeros(1, 12, dtype=torch.float64)
    elements[0, [0, 1, 5]] = torch.tensor([kind, pt, 2 * pt], dtype=torch.float64)
    given, truth = (torch.tensor([row], dtype=torch.float64) for row in (found, wanted))
    return response_errors(given, truth, elements)[0]


def test_errors_are_relative_to_the_truth_for_tracks_and_to_the_measurement_for_towers() -> None:
    found = [9.0, math.log(12.0), 0.1, 0.0, 1.0, math.log(30.0)]
    wanted = [1.0, math.log(8.0), 0.0, 0.0, 1.0, math.log(24.0)]
    track = errors(TRACK, found, wanted)
    assert track.tolist() == pytest.approx([0.0, 0.5 / 0.2, 10.0, 0.0, 0.0, 0.25 / 0.2])
    tower = errors(TOWER, found, wanted)
    unit = 1.5 / math.sqrt(20.0)
    assert tower.tolist() == pytest.approx([0.0, 0.4 / unit, 2.0, 0.0, 0.0, 0.3 / unit])


def test_errors_of_an_untrained_network_are_finite() -> None:
    for kind in (TRACK, TOWER):
        assert errors(kind, [0.0, 300.0, 0.0, 0.0, 1.0, 300.0], [1.0, 1.0, 0.0, 0.0, 1.0, 2.0], pt=0.0).isfinite().all()


def test_the_best_answer_for_towers_is_the_mean_of_the_truth() -> None:
    true = torch.tensor([4.0, 8.0, 30.0], dtype=torch.float64)
    answer = torch.zeros((), dtype=torch.float64, requires_grad=True)
    elements = torch.zeros(3, 12, dtype=torch.float64)
    elements[:, [0, 1, 5]] = torch.tensor([TOWER, 15.0, 15.0], dtype=torch.float64)
    wanted = torch.zeros(3, 6, dtype=torch.float64)
    wanted[:, 5] = true.log()
    column = nn.functional.one_hot(torch.tensor(5), 6).double()

    def loss() -> Tensor:
        return response_errors((answer * column).expand(3, 6), wanted, elements)[:, 5].square().mean()

    with torch.no_grad():
        answer.fill_(math.log(14.0))  # their mean
    (gradient,) = torch.autograd.grad(loss(), answer)
    assert abs(float(gradient)) < 1e-12
