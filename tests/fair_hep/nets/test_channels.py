"""Where layers have their channels: what a narrower one gives is what the wide one gives without some."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fair_hep.bundle.errors import ModelError
from fair_hep.nets.channels import Layout, narrowed, of_each_channel, register, resized, sizes_of
from fair_hep.nets.layers import EdgeLinear, MaskedBatchNorm

INPUTS, OUTPUTS = torch.tensor([0, 2, 3]), torch.tensor([1, 4])


def chosen(values: Tensor, places: Tensor) -> Tensor:
    """Return values that are 0 but at some places of the last axis."""
    mask = torch.zeros(values.shape[-1])
    mask[places] = 1.0
    return values * mask


@pytest.mark.parametrize("bias", [True, False])
def test_a_narrower_linear_map_is_a_part_of_the_wide_one(bias: bool) -> None:
    wide = nn.Linear(5, 6, bias=bias)
    rows = torch.randn(7, 5)
    made = narrowed(wide, INPUTS, OUTPUTS)
    torch.testing.assert_close(made(rows[:, INPUTS]), wide(chosen(rows, INPUTS))[:, OUTPUTS])
    assert sizes_of(made) == (3, 2)
    assert sizes_of(wide) == (5, 6), "the wide one stays"


@pytest.mark.parametrize("bias", [True, False])
def test_a_narrower_edge_map_is_a_part_of_the_wide_one(bias: bool) -> None:
    wide = EdgeLinear(5, 6, bias=bias)
    rows, neighbours = torch.randn(7, 5), torch.randint(7, (7, 3))
    made = narrowed(wide, INPUTS, OUTPUTS)
    expected = wide(chosen(rows, INPUTS), neighbours)[..., OUTPUTS]
    torch.testing.assert_close(made(rows[:, INPUTS], neighbours), expected)


def test_a_narrower_normalisation_is_a_part_of_the_wide_one() -> None:
    wide = MaskedBatchNorm(6)
    wide(torch.randn(20, 6), torch.ones(20, dtype=torch.bool))
    wide.eval()
    nn.init.uniform_(wide.weight)
    rows, mask = torch.randn(4, 6), torch.ones(4, dtype=torch.bool)
    made = narrowed(wide, torch.arange(6), OUTPUTS)
    torch.testing.assert_close(made(rows[:, OUTPUTS], mask), wide(rows, mask)[:, OUTPUTS])
    assert sizes_of(made) == (2, 2)


@pytest.mark.parametrize("layer", [nn.Linear(40, 30), EdgeLinear(20, 30)])
def test_a_smaller_layer_begins_as_a_new_one_of_its_size(layer: nn.Module) -> None:
    """Its weights are as large as those of a new one, and not as those of the wide one, which are smaller."""
    torch.manual_seed(1)
    made = resized(layer, (3, 30))
    inputs = made.get_parameter("weight").shape[1]
    assert float(made.get_parameter("weight").detach().abs().max()) == pytest.approx(inputs**-0.5, rel=0.1)


def test_sums_over_a_channel_are_those_of_its_slice() -> None:
    layer = EdgeLinear(5, 6, bias=True)
    values = {name: value.detach() for name, value in layer.named_parameters()}
    sums = of_each_channel(layer, "inputs", values)
    torch.testing.assert_close(sums[2], values["weight"][:, [2, 7]].sum())
    sums = of_each_channel(layer, "outputs", values)
    torch.testing.assert_close(sums[4], values["weight"][4].sum() + values["bias"][4])


@pytest.mark.parametrize("sizes", [(0, 2), (6, 2), (5, 7)])
def test_a_layer_does_not_grow(sizes: tuple[int, int]) -> None:
    with pytest.raises(ModelError, match=r"Linear: got \[\d, \d\] channels, expected 1 to \[5, 6\]"):
        resized(nn.Linear(5, 6), sizes)


def test_a_layer_of_ones_own_is_told() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide = 4
            self.factors = nn.Parameter(torch.arange(4.0))

        def forward(self, values: Tensor) -> Tensor:
            return values * self.factors

    with pytest.raises(ModelError, match=r"Scaled: .*tell it by fair_hep\.nets\.channels\.register"):
        sizes_of(Scaled())
    register(Scaled, Layout(("wide", "wide"), outputs={"factors": 0}))
    made = narrowed(Scaled(), OUTPUTS, torch.tensor([1, 3]))
    assert made(torch.ones(2)).tolist() == [1.0, 3.0]
