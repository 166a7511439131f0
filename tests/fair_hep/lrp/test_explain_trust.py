"""Measures of trust on scores whose answer is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fair_hep.lrp.faithfulness import (
    RANDOM,
    area_between,
    cascade,
    paired_bootstrap,
    rank_correlation,
    recommend,
    removal_curves,
    removal_table,
)

WEIGHTS = torch.tensor([[4.0, -2.0, 1.0, 0.5, 0.0], [1.0, 3.0, -1.0, 0.0, 0.0]])


MASK = torch.tensor([[True] * 5, [True, True, True, False, False]])


def additive(kept: Tensor) -> Tensor:
    return (WEIGHTS * kept).sum(1)


def test_curves_remove_and_insert_the_most_relevant_first() -> None:
    deletion, insertion = removal_curves(additive, WEIGHTS, MASK, 5)
    assert deletion[0].tolist() == [3.5, -0.5, -1.5, -2.0, -2.0, 0.0]
    assert insertion[0].tolist() == [0.0, 4.0, 5.0, 5.5, 5.5, 3.5]
    # A sample of three elements takes the same five steps, some of them twice.
    assert deletion[1, 0] == 3.0 and deletion[1, -1] == 0.0
    assert insertion[1, 0] == 0.0 and insertion[1, -1] == 3.0


def test_the_true_order_has_the_largest_area() -> None:
    best = area_between(*removal_curves(additive, WEIGHTS, MASK, 5))
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        other = area_between(*removal_curves(additive, torch.rand(2, 5, generator=generator), MASK, 5))
        assert bool((other <= best + 1e-6).all())
    worst = area_between(*removal_curves(additive, -WEIGHTS, MASK, 5))
    assert torch.allclose(worst, -best, atol=1e-6)


def test_classes_have_curves_of_their_own() -> None:
    """Where the output speaks for one class and against the other, the mean over both says nothing of either."""
    deletion, insertion = removal_curves(additive, WEIGHTS, MASK, 5)
    curves = {"epsilon": (deletion, insertion), RANDOM: (-deletion, -insertion)}
    classes = {"first": torch.tensor([True, False]), "second": torch.tensor([False, True]), "none": torch.zeros(2) > 0}
    row = removal_table(curves, seed=0, classes=classes)["removal"]["epsilon"]
    assert row["classes"].keys() == {"first", "second"}
    first, second = (row["classes"][name] for name in ("first", "second"))
    assert first["deletion"] == deletion[0].tolist() and second["insertion"] == insertion[1].tolist()
    assert row["area"] == pytest.approx((first["area"] + second["area"]) / 2)
    assert first["samples"] == second["samples"] == 1 and first["area_error"] == 0.0


def test_bootstrap_knows_a_real_difference_from_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(200, generator=generator)
    difference, sigma = paired_bootstrap(base + 1.0, base)
    assert difference == pytest.approx(1.0, abs=1e-5) and sigma < 1e-5
    difference, sigma = paired_bootstrap(base, torch.randn(200, generator=generator))
    assert sigma == pytest.approx(2**0.5 / 200**0.5, rel=0.2)


def test_the_simpler_rule_wins_within_two_sigma() -> None:
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(100, generator=generator)
    noise = torch.randn(100, generator=generator)
    near = base + 0.05 + 0.5 * (noise - noise.mean())
    assert recommend({"simple": base, "other": near}) == "simple"
    assert recommend({"simple": base, "better": base + 1.0}) == "better"
    assert recommend({"simple": base, "same": base}) == "simple"


def test_rank_correlation() -> None:
    values = torch.tensor([[1.0, 2.0, 3.0, 9.0], [1.0, 5.0, 0.0, 0.0]])
    mask = torch.tensor([[True, True, True, False], [True, False, False, False]])
    same = rank_correlation(values, values**3, mask)
    assert same[0] == pytest.approx(1.0) and bool(torch.isnan(same[1]))
    assert rank_correlation(values, -values, mask)[0] == pytest.approx(-1.0)


def test_cascade_randomises_from_the_output_down_and_leaves_the_network_alone() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    before = {name: values.clone() for name, values in network.state_dict().items()}
    state = torch.random.get_rng_state()
    changed = [
        {name for name, values in copy.state_dict().items() if not torch.equal(values, before[name])}
        for _, copy in cascade(network, ["2", "0"], 1)
    ]
    assert changed == [{"2.weight", "2.bias"}, {"0.weight", "0.bias", "2.weight", "2.bias"}]
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
