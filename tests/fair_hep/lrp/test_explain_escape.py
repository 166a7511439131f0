"""What the engine refuses, and that the network is left as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fair_hep.bundle.errors import ExplainError
from fair_hep.lrp import explain, register, register_linear
from fair_hep.lrp.maps import Affine
from fair_hep.lrp.treatments import as_it_is


class Calls(nn.Module):
    """A network whose middle is any function."""

    def __init__(self, middle: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 2)
        self.scale = nn.Parameter(torch.rand(4))
        self.matrix = nn.Parameter(torch.rand(4, 4))
        self.middle = middle
        self.double().eval()

    def forward(self, values: Tensor) -> Tensor:
        last: Tensor = self.last(self.middle(self, self.first(values)))
        return last


def values() -> Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values * 2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * 3


def _in_place(_: Any, x: Tensor) -> Tensor:
    x += 1.0
    return x


@pytest.mark.parametrize(
    ("call", "middle"),
    {
        "relu": lambda _, x: functional.relu(x),
        "elu": lambda _, x: functional.elu(x),
        "clamp": lambda _, x: x.clamp(min=0),
        "pow": lambda _, x: x**2,
        "exp": lambda _, x: torch.exp(x),
        "softmax": lambda _, x: x.softmax(-1),
        "maximum": lambda _, x: torch.maximum(x, torch.zeros_like(x)),
        "amax": lambda _, x: x.amax(-1, keepdim=True).expand_as(x),
        "gt": lambda _, x: x * (x > 0),
        "linear": lambda m, x: functional.linear(x, m.matrix),
        "matmul": lambda m, x: x @ m.matrix.T,
        "einsum": lambda m, x: torch.einsum("ni,ij->nj", x, m.matrix + 1.0),
        "mul": lambda _, x: x * x.flip(1),
        "bmm": lambda _, x: torch.bmm(x[:, :, None], x[:, None, :]).sum(2),
        "div": lambda _, x: x / x.sum(1, keepdim=True),
        "rdiv": lambda _, x: 1.0 / x,
        "scatter_reduce": lambda _, x: torch.zeros_like(x).scatter_reduce(
            0, torch.zeros_like(x, dtype=torch.long), x, "amax", include_self=False
        ),
        "add_": _in_place,
        "Doubled": lambda _, x: Doubled.apply(x),
    }.items(),
    ids=lambda item: item if isinstance(item, str) else "",
)
@pytest.mark.parametrize("composite", ["epsilon", "gamma"])
def test_calls_that_escape_the_rules_are_refused_by_name(
    call: str, middle: Callable[[Any, Tensor], Tensor], composite: str
) -> None:
    network = Calls(middle)
    with pytest.raises(ExplainError, match=rf"\b{call}\b.*escapes the rules") as error:
        explain(network, values(), 0, composite=composite)
    assert "\n" not in str(error.value)


def test_refusal_names_the_module_that_made_the_call() -> None:
    network = nn.Sequential(nn.Linear(4, 4), Calls(lambda _, x: functional.relu(x))).double().eval()
    with pytest.raises(ExplainError, match=r"'1' \(Calls\): the call relu escapes"):
        explain(network, values(), 0)


def test_a_module_that_owns_nothing_is_looked_into() -> None:
    class Mean(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return inputs - inputs.mean(1, keepdim=True)

    class Squared(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return inputs.square()

    assert explain(nn.Sequential(Mean(), nn.Linear(4, 2)).double().eval(), values(), 0).ledger.closes(torch.float64)
    with pytest.raises(ExplainError, match=r"'1' \(Squared\): the call square escapes"):
        explain(nn.Sequential(nn.Linear(4, 4), Squared(), nn.Linear(4, 2)).double().eval(), values(), 0)


@pytest.mark.parametrize(
    "middle",
    [
        lambda m, x: x * m.scale,
        lambda _, x: x * torch.linspace(0, 1, 4).double(),
        lambda _, x: torch.eye(3).double() @ x,
        lambda _, x: x + x.flip(1) - 2 * x.roll(1, 1),
        lambda m, x: x + m.scale,
        lambda _, x: torch.cat([x, torch.ones(3, 2).double()], 1)[:, 2:],
        lambda _, x: torch.where(torch.arange(4) > 1, x, 0.5),
        lambda _, x: x / x.detach().norm(),
        lambda _, x: 1.5 - x,
        lambda _, x: torch.stack([x, x.mean(1, keepdim=True).expand_as(x)]).sum(0),
        lambda _, x: torch.zeros_like(x).index_add(0, torch.tensor([2, 0, 1]), x),
        lambda _, x: x.new_zeros(3, 4).scatter_add_(0, torch.tensor([[2, 1, 0, 2]] * 3), x),
        lambda _, x: x * (x.detach() > 0),
        lambda _, x: x.unflatten(1, (2, 2)).transpose(1, 2).flatten(1),
    ],
)
@pytest.mark.parametrize("composite", ["epsilon", "epsilon-plus"])
def test_linear_calls_pass_and_their_constants_are_booked(
    middle: Callable[[Any, Tensor], Tensor], composite: str
) -> None:
    network = Calls(middle)
    found = explain(network, values(), [1.0, -1.0], composite=composite)
    # The three rows may mix: the ledger closes over all of them.
    whole = explain(network, values(), [1.0, -1.0] * 3, composite=composite, groups=1)
    assert whole.ledger.closes(torch.float64)
    leaf = values().requires_grad_(True)
    (gradient,) = torch.autograd.grad((network(leaf) @ torch.tensor([1.0, -1.0]).double()).sum(), leaf)
    if composite == "epsilon":
        exact = explain(network, values(), [1.0, -1.0], composite="lrp-0")
        assert torch.allclose(exact.relevance, gradient * values(), atol=1e-12)
    assert torch.allclose(found.outputs, network(values()))


def test_constants_take_nothing_under_the_exclude_rule() -> None:
    network = Calls(lambda m, x: x + m.scale)
    found = explain(network, values(), 0, bias="exclude")
    assert not found.ledger.layers
    assert float(found.error.max()) < 1e-10


def test_a_reused_module_is_explained_at_every_use() -> None:
    torch.manual_seed(0)
    shared, activation = nn.Linear(4, 4), nn.ReLU()
    twice = nn.Sequential(shared, activation, shared, activation, nn.Linear(4, 2)).double().eval()
    unrolled = copy.deepcopy(twice)
    unrolled[2], unrolled[3] = copy.deepcopy(unrolled[0]), nn.ReLU().eval()
    for composite in ("epsilon", "gamma", "epsilon-alpha2-beta1"):
        one = explain(twice, values(), 1, composite=composite)
        other = explain(unrolled, values(), 1, composite=composite)
        if composite != "epsilon-alpha2-beta1":
            assert torch.allclose(one.relevance, other.relevance, atol=1e-14)
        assert one.ledger.closes(torch.float64)


class Unknown(nn.Module):
    """Owns weights, and nobody said what it does with relevance."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, dtype=torch.float64))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * self.weight


@pytest.mark.parametrize("module", [Unknown(), nn.GRUCell(4, 4), nn.Bilinear(4, 4, 4), nn.LPPool1d(2, 2), nn.GLU()])
def test_a_module_without_a_rule_is_refused_before_anything_runs(module: nn.Module) -> None:
    class Never(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            raise AssertionError("it ran")

    network = nn.Sequential(Never(), module).double().eval()
    with pytest.raises(
        ExplainError, match=rf"'1' of type {type(module).__name__} has no rule: fair_hep\.lrp\.register"
    ):
        explain(network, values(), 0)


def test_a_registered_module_has_a_rule() -> None:
    class Scaled(Unknown):
        pass

    class Kept(Unknown):
        pass

    register_linear(Scaled, lambda m: Affine("", (m.weight,), None, lambda w, b, x: x * w[0], diagonal=True))  # type: ignore[arg-type]
    register(Kept, as_it_is)
    for kind in (Scaled, Kept):
        network = nn.Sequential(kind(), nn.Linear(4, 2)).double().eval()
        assert explain(network, values(), 0).ledger.closes(torch.float64)


def test_rules_for_inputs_need_inputs_that_linear_layers_read() -> None:
    network = nn.Sequential(nn.ReLU(), nn.Linear(4, 2)).double().eval()
    with pytest.raises(ExplainError, match="only linear layers"):
        explain(network, values(), 0, composite="epsilon-plus-flat")


def test_an_output_without_inputs_is_refused() -> None:
    class Constant(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return torch.ones(len(inputs), 2, dtype=inputs.dtype)

    with pytest.raises(ExplainError, match="doesn't depend"):
        explain(Constant().eval(), values(), 0)
