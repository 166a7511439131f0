"""The engine on a real network: bad input, nothing left behind, many batches."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import pytest
import torch
from top_tagger.network import ParticleNet
from torch import Tensor, nn

from fair_hep.bundle.errors import ExplainError
from fair_hep.lrp import Explainer, explain, folded
from fair_hep.lrp.edges import edge_sums
from fair_hep.models.synthetic import jets


def particlenet() -> tuple[Any, tuple[Tensor, ...]]:
    torch.manual_seed(0)
    network = ParticleNet("lite").eval()
    return network, network.features(jets(4, 0)["particles"])


def test_bad_targets_are_refused() -> None:
    network, inputs = particlenet()
    with pytest.raises(ExplainError, match=r"output 2 doesn't exist: expected 0 to 1"):
        explain(network.body, inputs, 2)
    with pytest.raises(ExplainError, match=r"weights of shape \(3,\), expected \(2,\) or \(4, 2\)"):
        explain(network.body, inputs, [1.0, 0.0, 0.0])
    with pytest.raises(ExplainError, match="weights must be finite"):
        explain(network.body, inputs, [float("nan"), 0.0])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    network, (features, *context) = particlenet()
    features = features.clone()
    features[2, 0, 0] = bad
    with pytest.raises(ExplainError, match="row 2 holds NaN or infinity"):
        explain(network.body, (features, *context), 0)


def test_activations_that_are_not_finite_are_named() -> None:
    network, inputs = particlenet()
    with torch.no_grad():
        network.body.hidden.weight.fill_(float("nan"))
    with pytest.raises(ExplainError, match=r"isn't finite .*first after 'hidden'"):
        explain(network.body, inputs, 0)


def test_wrong_states_are_refused() -> None:
    network, inputs = particlenet()
    with pytest.raises(ExplainError, match="training mode"):
        explain(network.train().body, inputs, 0)
    network.eval()
    with pytest.raises(ExplainError, match=r"bfloat16: expected float32 or float64"):
        explain(copy.deepcopy(network).bfloat16().body, inputs, 0)
    with pytest.raises(ExplainError, match=r"got torch.float16"):
        explain(network.body, (inputs[0].half(), *inputs[1:]), 0)
    with pytest.raises(ExplainError, match=r"values are torch.float64, weight .* is torch.float32"):
        explain(network.body, (inputs[0].double(), *inputs[1:]), 0)
    with pytest.raises(ExplainError, match=r"values are on cpu, weight .* on meta"):
        explain(copy.deepcopy(network).to("meta").body, inputs, 0)
    with pytest.raises(ExplainError, match="empty tensor"):
        explain(network.body, tuple(part[:0] for part in inputs), 0)


def test_wrong_settings_are_refused() -> None:
    network, inputs = particlenet()
    with pytest.raises(ExplainError, match="'epsilon_gama' is unknown, did you mean 'epsilon-gamma'"):
        explain(network.body, inputs, 0, composite="epsilon_gama")
    with pytest.raises(ExplainError, match="bias 'ignore' is unknown"):
        explain(network.body, inputs, 0, bias="ignore")  # type: ignore[arg-type]
    with pytest.raises(ExplainError, match="bias 'exclude' needs float64"):
        explain(network.body, inputs, 0, bias="exclude")
    for epsilon in (-1.0, 1e-40, float("nan")):
        with pytest.raises(ExplainError, match="expected 0, or a number"):
            explain(network.body, inputs, 0, epsilon=epsilon)
    with pytest.raises(ExplainError, match="no module of that name"):
        explain(network.body, inputs, 0, places=["blocks.7.messages"])
    with pytest.raises(ExplainError, match="needs bounds"):
        explain(network.body, inputs, 0, composite="epsilon-gamma-box")


def fingerprint(network: nn.Module) -> dict[str, Any]:
    state: dict[str, Any] = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for name, module in network.named_modules():
        state[f"{name}.dict"] = set(module.__dict__)
        state[f"{name}.hooks"] = (len(module._forward_hooks), len(module._forward_pre_hooks))
    for name, parameter in network.named_parameters():
        state[f"{name}.grad"] = (parameter.requires_grad, parameter.grad is None)
    return state


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        same = torch.equal(value, other[name]) if isinstance(value, Tensor) else value == other[name]
        assert same, name


def test_nothing_stays_behind() -> None:
    network, inputs = particlenet()
    before, plain = fingerprint(network), network.body(*inputs)
    kept = [part.clone() for part in inputs]
    for _ in range(2):
        found = explain(network.body, inputs, [-1.0, 1.0], places=["blocks.0.messages"])
    assert_same(fingerprint(network), before)
    assert torch.equal(network.body(*inputs), plain)
    assert torch.allclose(found.outputs, plain, atol=1e-5)
    assert all(torch.equal(one, other) for one, other in zip(inputs, kept, strict=True))


def test_nothing_stays_behind_after_an_exception() -> None:
    network, (features, points, mask) = particlenet()
    before = fingerprint(network)
    with pytest.raises(ExplainError):
        explain(network.body, (features, points, mask), 5)
    with pytest.raises((RuntimeError, IndexError)):
        explain(network.body, (features[:, :3], points, mask), 0)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    hook = network.body.blocks[1].register_forward_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        explain(network.body, (features, points, mask), 0)
    hook.remove()
    assert_same(fingerprint(network), before)


def test_explaining_works_where_gradients_are_off() -> None:
    network, inputs = particlenet()
    wanted = explain(network.body, inputs, 0).relevance
    with torch.no_grad():
        assert torch.equal(explain(network.body, inputs, 0).relevance, wanted)
    with torch.inference_mode():
        assert torch.equal(explain(network.body, inputs, 0).relevance, wanted)


def test_an_explainer_serves_many_batches() -> None:
    network, inputs = particlenet()
    with Explainer(network.body, places=["blocks.1.messages"]) as explainer:
        for jet in range(4):
            one = explainer(*(part[jet : jet + 1] for part in inputs), target=[-1.0, 1.0])
            alone = explain(network.body, tuple(part[jet : jet + 1] for part in inputs), [-1.0, 1.0])
            assert torch.equal(one.relevance, alone.relevance)
            assert one.ledger.closes(torch.float32)


def test_a_folded_network_answers_the_same_without_its_norms_and_comes_back() -> None:
    network, inputs = particlenet()
    network.train()(jets(32, 1)["particles"])
    body = network.eval().body
    plain = body(*inputs)
    ran: list[nn.Module] = []
    with folded(body, inputs):
        for norm in (part for part in body.modules() if isinstance(part, nn.BatchNorm1d)):
            assert norm(plain) is plain
            ran.append(norm)
        assert torch.allclose(body(*inputs), plain, atol=1e-5)
    assert len(ran) == 9
    assert torch.equal(body(*inputs), plain)
    assert not any("forward" in part.__dict__ for part in body.modules())


@pytest.mark.parametrize("positive", [True, False])
def test_edges_of_a_weighted_sum_are_those_of_their_own_gradients(positive: bool) -> None:
    draw = torch.Generator().manual_seed(3)
    edges, gradient = (torch.randn(shape, generator=draw, dtype=torch.float64) for shape in ((6, 4, 5), (6, 5)))
    weights = torch.randn(6, 4, generator=draw, dtype=torch.float64)
    edges = edges.relu() if positive else edges
    found = edge_sums.weighted(edges, gradient, weights, positive=positive)
    wanted = edge_sums(edges, weights[..., None] * gradient[:, None, :])
    assert torch.allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_nothing_of_a_pass_is_kept_after_it() -> None:
    network, inputs = particlenet()
    kept: list[weakref.ref[Tensor]] = []
    names = ["blocks.0.messages", "blocks.1.messages"]
    for name in names:
        place = network.body.get_submodule(name)
        place.register_forward_hook(lambda _, given, __: kept.append(weakref.ref(given[0])))
    with Explainer(network.body, places=dict.fromkeys(names, edge_sums)) as explainer:
        for _ in range(3):
            explainer(*inputs, target=0)
    gc.collect()
    assert len(kept) == 2 * 4  # the first batch is recorded once more
    assert not [edges for edges in kept if edges() is not None]
