"""Features of detector elements: documented values, columns that depend on the type, and odd input."""

from __future__ import annotations

import math

import pytest
import torch
from particle_flow.network import ElementFeatures

from fair_hep.particleflow.columns import ELEMENT
from fair_hep.particleflow.synthetic import events

TRACK = [2.0, 3.0, 1.25, 0.6, 0.8, 10.0, 1.0, 0.5, 0.25, -1.0, 0.0, 1.0]
TOWER = [1.0, 3.0, 1.25, 0.6, 0.8, 10.0, 4.0, 6.0, 0.0, 0.0, 0.0, 0.0]


def _features(*rows: list[float]) -> torch.Tensor:
    features, mask = ElementFeatures()(torch.tensor([rows], dtype=torch.float64))
    assert mask.all()
    return features[0]


def test_a_track_gives_the_documented_features() -> None:
    expected = [
        1.0, (math.log(3) - 0.5) * 0.7, 0.5, 0.6, 0.8, (math.log(10) - 1.5) * 0.5, 0.4, 0.5, 0.25, -1.0, 0.0, 1.0,
    ]  # fmt: skip
    assert _features(TRACK)[0].tolist() == pytest.approx(expected)


def test_a_tower_gives_the_documented_features() -> None:
    expected = [
        -1.0, (math.log(3) - 0.5) * 0.7, 0.5, 0.6, 0.8, (math.log(10) - 1.5) * 0.5, math.log(5) / 2, math.log(7) / 2,
        0.0, 0.0, 0.0, 0.0,
    ]  # fmt: skip
    assert _features(TOWER)[0].tolist() == pytest.approx(expected)


def test_padding_gives_zeros_and_real_elements_stay_in_range() -> None:
    elements = events(8, 0)["elements"]
    features, mask = ElementFeatures()(elements)
    assert features.shape == (*mask.shape, len(ELEMENT))
    assert mask.equal(elements[..., 0] > 0)
    assert (features[~mask] == 0).all()
    assert features.abs().max() <= 5


@pytest.mark.parametrize("column", range(1, 12))
@pytest.mark.parametrize("value", [0.0, 1e-30, 1e30, -1e30])
def test_extreme_values_stay_finite_with_finite_gradients(column: int, value: float) -> None:
    rows = torch.tensor([[TRACK, TOWER, [0.0] * 12]])
    rows[0, :2, column] = value
    rows.requires_grad_()
    features, _ = ElementFeatures()(rows)
    assert features.isfinite().all()
    features.sum().backward()
    assert rows.grad is not None
    assert rows.grad.isfinite().all()


def test_nothing_is_learned_and_nothing_is_stored() -> None:
    assert not ElementFeatures().state_dict()
