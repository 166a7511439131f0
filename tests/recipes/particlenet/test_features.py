"""The seven features, against the published definition written out jet by jet."""

from __future__ import annotations

import math

import pytest
import torch
from top_tagger.inputs import FEATURES
from top_tagger.network import JetFeatures

from support.recipes import model as get


def _explicit(particles: list[list[float]], axis: list[float]) -> list[list[float]]:
    """Compute the features of one jet with the math module: no tensors, no tricks."""

    def eta(p: list[float]) -> float:
        return math.asinh(p[3] / math.hypot(p[1], p[2]))

    side = 1.0 if eta(axis) >= 0 else -1.0
    jet_pt = math.hypot(axis[1], axis[2])
    rows = []
    for p in particles:
        pt = math.hypot(p[1], p[2])
        deta = (eta(p) - eta(axis)) * side
        dphi = math.remainder(math.atan2(p[2], p[1]) - math.atan2(axis[2], axis[1]), 2 * math.pi)
        standard = [
            (math.log(pt) - 1.7) * 0.7,
            (math.log(p[0]) - 2.0) * 0.7,
            (math.log(pt / jet_pt) + 4.7) * 0.7,
            (math.log(p[0] / axis[0]) + 4.7) * 0.7,
            (math.hypot(deta, dphi) - 0.2) * 4.0,
        ]
        rows.append([deta, dphi, *(min(5.0, max(-5.0, value)) for value in standard)])
    return rows


def test_features_agree_with_the_definition() -> None:
    batch = get("particlenet").example(12, seed=1)
    particles, axis = batch["particles"].double(), batch["particles"].double().sum(1)
    features, points, mask = JetFeatures()(particles)
    assert features.shape[2] == len(FEATURES) == 7
    for number in range(12):
        real = particles[number][mask[number]]
        expected = torch.tensor(_explicit(real.tolist(), axis[number].tolist()), dtype=torch.float64)
        torch.testing.assert_close(features[number][mask[number]], expected, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(points[number][mask[number]], expected[:, :2], rtol=1e-10, atol=1e-10)


def test_padding_gives_exact_zeros() -> None:
    features, points, mask = JetFeatures()(get("particlenet").example(6, seed=2)["particles"])
    assert not features[~mask].any()
    assert not points[~mask].any()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_mirrored_jet_has_the_same_features(sign: float) -> None:
    """Multiplying delta eta with the sign of the jet's eta makes pz -> -pz a symmetry."""
    particles = get("particlenet").example(6, seed=3)["particles"].double()
    mirror = torch.tensor([1.0, 1.0, 1.0, sign], dtype=torch.float64)
    torch.testing.assert_close(JetFeatures()(particles * mirror)[0], JetFeatures()(particles)[0])


def test_the_sign_at_eta_zero_is_plus_one() -> None:
    particles = torch.tensor([[[100.0, 100.0, 0.0, 0.0], [50.0, 40.0, 0.0, 30.0]]], dtype=torch.float64)
    axis = torch.tensor([[150.0, 140.0, 0.0, 0.0]], dtype=torch.float64)
    assert JetFeatures()(particles, axis)[0][0, 1, 0] > 0


def test_a_rotated_jet_has_the_same_features() -> None:
    particles = get("particlenet").example(6, seed=4)["particles"].double()
    c, s = math.cos(2.9), math.sin(2.9)
    e, px, py, pz = particles.unbind(-1)
    turned = torch.stack([e, c * px - s * py, s * px + c * py, pz], -1)
    torch.testing.assert_close(JetFeatures()(turned)[0], JetFeatures()(particles)[0], rtol=1e-9, atol=1e-9)


def test_the_axis_given_is_the_axis_used() -> None:
    particles = get("particlenet").example(4, seed=5)["particles"].double()
    whole = JetFeatures()(particles, particles.sum(1))[0]
    cut = JetFeatures()(particles[:, :10], particles.sum(1))[0]
    torch.testing.assert_close(cut, whole[:, :10])
    assert not JetFeatures()(particles[:, :10])[0].equal(cut)


def test_extreme_constituents_stay_finite_and_clipped() -> None:
    particles = torch.tensor([[[500.0, 0.0, 0.0, 500.0], [1e-20, 1e-20, 0.0, 0.0], [600.0, 600.0, 0.0, 0.0]]])
    features = JetFeatures()(particles)[0]
    assert features.isfinite().all()
    assert features[..., 2:].abs().max() <= 5.0


def test_an_empty_jet_is_all_zero() -> None:
    features, _, mask = JetFeatures()(torch.zeros(1, 4, 4))
    assert not features.any()
    assert not mask.any()


def test_gradients_are_finite_at_padding() -> None:
    particles = get("particlenet").example(3, seed=6)["particles"].requires_grad_()
    JetFeatures()(particles)[0].sum().backward()
    assert particles.grad is not None
    assert particles.grad.isfinite().all()
