"""Norms that scale nothing: the same answers, and matrices that are those of the graph."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fair_hep.bundle.errors import ModelError
from fair_hep.lrp.maps import is_batch_norm, scale_and_shift
from fair_hep.tracing.absorbed import absorbed, matrices
from fair_hep.tracing.half import halved, tensors_half
from support.recipes import model as model_named

MODEL = model_named("particlenet")


@pytest.fixture(scope="module")
def inputs() -> dict[str, Tensor]:
    return {"particles": MODEL.example(6, 1)["particles"]}


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """ParticleNet-Lite whose norms are those of a network that was trained: nothing is 0 or 1."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = MODEL.build(preset="lite")
        norms: list[Any] = [part for part in made.modules() if is_batch_norm(part)]
        for norm in norms:
            for values in (norm.weight, norm.bias, norm.running_mean):
                values.data.normal_().add_(0.3)
            norm.running_var.uniform_(0.2, 3.0)
    return made.eval()


def answers(network: Any, inputs: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return network(**inputs)


def test_answers_names_and_shapes_stay_and_norms_only_shift(network: nn.Module, inputs: dict[str, Tensor]) -> None:
    before = copy.deepcopy(network.state_dict())
    made = absorbed(network, inputs)
    torch.testing.assert_close(answers(made, inputs), answers(network, inputs), rtol=1e-4, atol=1e-5)
    assert {name: value.shape for name, value in made.state_dict().items()} == {n: v.shape for n, v in before.items()}
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    norms = [module for module in made.modules() if is_batch_norm(module)]
    assert len(norms) == 9
    assert all(bool((scale_and_shift(norm)[0] == 1).all()) for norm in norms)


def test_rounded_weights_are_what_the_graph_multiplies_with(network: nn.Module, inputs: dict[str, Tensor]) -> None:
    made = halved(network, inputs)
    found = matrices(made, inputs)
    assert len(found) == 10
    for layer, factors in found.items():
        assert all(torch.equal(factor.half().float(), factor) for factor in factors), layer
    apart = (answers(made, inputs) - answers(absorbed(network, inputs), inputs)).abs().max()
    assert 1e-6 < apart < 0.05


def test_what_float16_holds_exactly_is_stored_so(network: nn.Module, inputs: dict[str, Tensor]) -> None:
    made = halved(network, inputs)
    stored = tensors_half(made.state_dict())
    assert stored["body.hidden.weight"].dtype == torch.float16
    assert stored["body.blocks.0.linears.0.weight"].dtype == torch.float16
    for name, value in made.state_dict().items():
        assert torch.equal(stored[name].to(value.dtype), value)


def test_a_weight_beyond_float16_is_refused(network: nn.Module, inputs: dict[str, Tensor]) -> None:
    large: Any = copy.deepcopy(network)
    with torch.no_grad():
        large.body.hidden.weight[0, 0] = 1e5
    with pytest.raises(ModelError, match="a weight of 1e\\+05 is beyond float16"):
        halved(large, inputs)
