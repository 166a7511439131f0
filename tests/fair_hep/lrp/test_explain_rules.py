"""Rules against their textbook formulas, on multi-layer perceptrons in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fair_hep.bundle.errors import ExplainError
from fair_hep.lrp import COMPOSITES, Composite, explain
from fair_hep.lrp.rules import AlphaBeta, Box, Epsilon, Flat, Gamma, Rule, WSquare, Zero, ZPlus
from support import oracle

RULES: dict[str, Rule] = {
    "lrp-0": Zero(),
    "epsilon": Epsilon(),
    "gamma": Gamma(),
    "alpha2-beta1": AlphaBeta(),
    "plus": ZPlus(),
}
FIRST: dict[str, Rule] = {"wsquare": WSquare(), "flat": Flat(), "box": Box()}
TARGET = torch.tensor([-1.0, 1.0, 0.5], dtype=torch.float64)


def network(activation: nn.Module, *, bias: bool = True, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [
        nn.Linear(5, 7, bias=bias),
        activation,
        nn.Linear(7, 6, bias=bias),
        activation,
        nn.Linear(6, 3, bias=bias),
    ]
    return nn.Sequential(*layers).double().eval()


def values(seed: int = 1) -> Tensor:
    return torch.rand(4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def explicit(
    net: nn.Sequential, start: Tensor, rules: list[str], *, epsilon: float = 1e-6, absorb: bool = True
) -> Tensor:
    """Return the relevance of the inputs by formula, with one rule for every linear layer."""
    activations = [start]
    for layer in net:
        activations.append(layer(activations[-1]).detach())
    relevance = activations[-1] * TARGET
    chosen = list(rules)
    for layer, before, after in zip(reversed(list(net)), activations[-2::-1], activations[:0:-1], strict=True):
        if isinstance(layer, nn.Linear):
            bias = None if layer.bias is None else layer.bias.detach()
            relevance = oracle.linear(
                chosen.pop(), before, layer.weight.detach(), bias, relevance, epsilon=epsilon, absorb=absorb
            )
        else:
            relevance = oracle.passed(relevance, after)
    return relevance


def largest(difference: Tensor, scale: Tensor) -> float:
    return float(difference.abs().max() / scale.abs().max())


@pytest.mark.parametrize("absorb", [True, False])
@pytest.mark.parametrize(
    "activation", [nn.ReLU(), nn.LeakyReLU(0.1), nn.ELU(), nn.Tanh()], ids=lambda a: type(a).__name__
)
@pytest.mark.parametrize("rule", RULES)
def test_rule_follows_its_formula(rule: str, activation: nn.Module, absorb: bool) -> None:
    net, start = network(activation), values()
    composite = Composite(rule, RULES[rule], RULES[rule], RULES[rule])
    found = explain(net, start, TARGET, composite=composite, bias="absorb" if absorb else "exclude")
    wanted = explicit(net, start, [rule] * 3, absorb=absorb)
    assert largest(found.relevance - wanted, wanted) < 1e-12
    assert found.ledger.closes(torch.float64)


@pytest.mark.parametrize("rule", FIRST)
def test_rule_for_the_first_layer_follows_its_formula(rule: str) -> None:
    net, start = network(nn.ReLU()), values()
    start[0, 2] = 0.0  # an input of value 0 gets its share, too
    composite = Composite(rule, FIRST[rule], Epsilon(), Epsilon())
    found = explain(net, start, TARGET, composite=composite, bounds=(-1.0, 1.0))
    wanted = explicit(net, start, [rule, "epsilon", "epsilon"])
    assert largest(found.relevance - wanted, wanted) < 1e-12
    assert float(found.relevance[0, 2]) != 0
    assert found.ledger.closes(torch.float64)


@pytest.mark.parametrize("name", COMPOSITES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ledger_closes_for_every_composite(name: str, dtype: torch.dtype) -> None:
    net = network(nn.ReLU()).to(dtype)
    found = explain(net, values().to(dtype), TARGET, composite=name, bounds=(-1.0, 1.0))
    assert found.ledger.closes(dtype)
    total = found.relevance.double().sum(1) + found.ledger.bias + found.ledger.epsilon + found.ledger.lost
    assert torch.allclose(total, found.explained, rtol=1e-4 if dtype == torch.float32 else 1e-10)


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(0.2)], ids=lambda a: type(a).__name__)
def test_epsilon_rule_without_epsilon_is_gradient_times_input(activation: nn.Module) -> None:
    net, start = network(activation), values()
    leaf = start.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad((net(leaf) * TARGET).sum(), leaf)
    found = explain(net, start, TARGET, epsilon=0.0)
    assert largest(found.relevance - gradient * start, gradient * start) < 1e-14


def test_epsilon_rule_is_not_gradient_times_input_for_elu() -> None:
    net, start = network(nn.ELU()), values()
    leaf = start.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad((net(leaf) * TARGET).sum(), leaf)
    found = explain(net, start, TARGET, epsilon=0.0)
    assert largest(found.relevance - gradient * start, gradient * start) > 1e-3


@pytest.mark.parametrize("epsilon", [0.0, 1e-9, 1e-3, 0.5])
def test_ledger_closes_for_any_epsilon(epsilon: float) -> None:
    found = explain(network(nn.ReLU()), values(), TARGET, epsilon=epsilon)
    assert found.ledger.closes(torch.float64)
    assert bool((found.ledger.lost == 0).all())
    assert bool((found.ledger.epsilon != 0).any()) == (epsilon > 0)


def test_a_network_without_biases_gives_all_relevance_to_its_inputs() -> None:
    found = explain(network(nn.ReLU(), bias=False), values(), TARGET, epsilon=0.0)
    assert torch.allclose(found.relevance.sum(1), found.explained, rtol=1e-12)


def test_empty_denominators_are_booked_as_lost() -> None:
    net = nn.Sequential(nn.Linear(2, 1)).double().eval()
    net.load_state_dict({"0.weight": torch.tensor([[-1.0, -2.0]]), "0.bias": torch.zeros(1)})
    composite = Composite("plus", ZPlus(), ZPlus(), ZPlus())
    found = explain(net, torch.tensor([[1.0, 1.0]], dtype=torch.float64), 0, composite=composite)
    assert found.ledger.lost.tolist() == [-3.0]
    assert found.relevance.tolist() == [[0.0, 0.0]]
    assert found.ledger.closes(torch.float64)


def test_dead_layers_give_zeros_and_no_nan() -> None:
    net = network(nn.ReLU())
    net.load_state_dict({**net.state_dict(), "0.weight": torch.zeros(7, 5), "0.bias": -torch.ones(7)})
    for name in COMPOSITES:
        found = explain(net, values(), TARGET, composite=name, bounds=(-1.0, 1.0))
        assert not bool(found.relevance.abs().any())
        assert found.ledger.closes(torch.float64)


def test_alpha_and_beta_must_conserve() -> None:
    with pytest.raises(ExplainError, match="alpha - beta = 1"):
        AlphaBeta(alpha=2.0, beta=0.5)


def test_maxima_are_shared_by_winner_or_in_proportion() -> None:
    net = nn.Sequential(nn.MaxPool1d(2), nn.Flatten(), nn.Linear(2, 1, bias=False)).double().eval()
    start = torch.tensor([[[1.0, 3.0, 2.0, 2.0]]], dtype=torch.float64)
    found = explain(net, start, 0, epsilon=0.0)
    assert found.relevance[0, 0, :2].tolist() == pytest.approx([0.0, float(found.relevance[0, 0, :2].sum())])
    shared = explain(net, start, 0, epsilon=0.0, composite="epsilon+proportional")
    assert float(shared.relevance[0, 0, 1] / shared.relevance[0, 0, 0]) == pytest.approx(3.0)
    assert shared.ledger.closes(torch.float64)


def test_targets_are_linear() -> None:
    net, start = network(nn.ReLU()), values()
    single = [explain(net, start, number, epsilon=0.0).relevance for number in range(3)]
    together = explain(net, start, [1.0, -2.0, 0.5], epsilon=0.0).relevance
    assert torch.allclose(together, single[0] - 2 * single[1] + 0.5 * single[2], atol=1e-12)
    per_sample = torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0]]
    found = explain(net, start, per_sample, epsilon=0.0).relevance
    assert torch.allclose(found[1], single[1][1]) and torch.allclose(found[3], single[0][3])


def test_batch_and_single_samples_agree() -> None:
    net, start = network(nn.ReLU()), values()
    whole = explain(net, start, TARGET).relevance
    parts = torch.cat([explain(net, row[None], TARGET).relevance for row in start])
    assert torch.allclose(whole, parts, atol=1e-14)


def test_padding_that_is_not_zero_is_refused() -> None:
    net = nn.Sequential(nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular")).eval()
    with pytest.raises(ExplainError, match="padding_mode 'circular'"):
        explain(net, torch.ones(1, 1, 4), 0)
