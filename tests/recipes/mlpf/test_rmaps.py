"""Relevance maps of whole events equal the generic engine's, one output of one element at a time."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from particle_flow.network import PRESETS, Body, ParticleFlow
from torch import Tensor

from fair_hep.bundle.errors import ExplainError
from fair_hep.lrp import Explainer
from fair_hep.particleflow import gravnet_body, rmaps
from fair_hep.particleflow.columns import OUTPUTS
from fair_hep.particleflow.rmaps import RelevanceFlow, RelevanceMaps, one_output
from fair_hep.particleflow.synthetic import events

SMALL = {"space": 3, "propagate": 6, "k": 4}


def _network(preset: str = "compact", **changes: int) -> ParticleFlow:
    torch.manual_seed(0)
    network = ParticleFlow(preset, **changes).double().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("space.weight"):
                parameter.mul_(0.3)  # so that neighbours have weight, as in a trained network
    return network


def _features(network: ParticleFlow, size: int, longest: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    values, mask = network.features(events(size, seed, longest=longest)["elements"].double())
    return values, mask


def _dense(maps: RelevanceMaps, number: int, rows: int) -> Tensor:
    element, relevance = maps.map(number)
    return torch.zeros(rows, 12, dtype=relevance.dtype).index_put((element,), relevance)


def _oracle(network: ParticleFlow, features: Tensor, mask: Tensor, target: Tensor, epsilon: float) -> Tensor:
    """Explain every element apart: relevances ``[elements of all events, all elements, 12]``, zero for padding."""
    count, rows = mask.shape[1], mask.numel()
    found = torch.zeros(rows, rows, 12, dtype=features.dtype)
    with Explainer(network.body, epsilon=epsilon) as explainer:
        for element in range(count):
            weights = torch.zeros(count, 12, dtype=features.dtype)
            weights[element] = target
            relevance = explainer(features, mask, target=weights.flatten()).relevance
            for event in range(len(mask)):
                own = slice(event * count, (event + 1) * count)
                found[event * count + element, own] = relevance[event]
    return found


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("output", ["photon", "log_pt"])
def test_equals_the_engine(preset: str, output: str) -> None:
    network = _network(preset, k=4)
    features, mask = _features(network, 4, 9)
    target = one_output(output, features)
    maps = RelevanceFlow(network.body, features, mask, epsilon=1e-4).maps(target)
    wanted = _oracle(network, features, mask, target, 1e-4)
    assert maps.outputs.equal(mask.flatten().nonzero()[:, 0])
    for number, row in enumerate(maps.outputs.tolist()):
        torch.testing.assert_close(_dense(maps, number, mask.numel()), wanted[row], rtol=1e-10, atol=1e-12)
    assert float(maps.ledger.error.max()) < 1e-10


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_output_equals_the_engine(output: str) -> None:
    network = _network("explained", **SMALL)
    features, mask = _features(network, 3, 5)
    target = one_output(output, features)
    maps = RelevanceFlow(network.body, features, mask).maps(target)
    wanted = _oracle(network, features, mask, target, 1e-6)
    for number, row in enumerate(maps.outputs.tolist()):
        torch.testing.assert_close(_dense(maps, number, mask.numel()), wanted[row], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("epsilon", [0.0, 1e-9, 0.1])
def test_ledger_closes_for_any_epsilon(epsilon: float) -> None:
    network = _network()
    features, mask = _features(network, 3, 40)
    maps = RelevanceFlow(network.body, features, mask, epsilon=epsilon).maps(torch.ones(12))
    assert maps.ledger.closes(torch.float64)
    assert bool((maps.ledger.epsilon != 0).any()) == (epsilon > 0)
    total = torch.stack([maps.map(number)[1].sum() for number in range(len(maps))])
    torch.testing.assert_close(total, maps.ledger.inputs)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_ledger_closes_in_float32(preset: str) -> None:
    network = _network(preset).float()
    features, mask = network.features(events(2, 5, longest=300)["elements"])
    flow = RelevanceFlow(network.body, features, mask)
    for name in ("none", "muon", "charge", "log_energy"):
        assert flow.maps(one_output(name, features)).ledger.closes(torch.float32)


def test_outputs_are_the_networks_own() -> None:
    network = _network().float()
    elements = events(1, 2, longest=1)["elements"]
    for part in (elements, events(2, 3, longest=200)["elements"][1:]):
        flow = RelevanceFlow(network.body, *network.features(part))
        assert flow.outputs.equal(torch.cat(network(part), -1)[0].detach())


def test_a_class_passes_by_the_momentum_head() -> None:
    network = _network()
    features, mask = _features(network, 2, 12)
    target = one_output("electron", features)
    before = RelevanceFlow(network.body, features, mask).maps(target)
    with torch.no_grad():
        for parameter in network.body.regress.parameters():
            parameter.normal_()
    after = RelevanceFlow(network.body, features, mask).maps(target)
    assert before.relevance.equal(after.relevance)
    assert not before.relevance.equal(RelevanceFlow(network.body, features, mask).maps(torch.eye(12)[7]).relevance)


def test_three_convolutions() -> None:
    torch.manual_seed(0)
    body = Body(dataclasses.replace(PRESETS["compact"], convolutions=3, k=3)).double().eval()
    network = ParticleFlow()
    network.body = body
    features, mask = _features(network, 2, 12)
    target = one_output("sin_phi", features)
    maps = RelevanceFlow(body, features, mask).maps(target)
    wanted = _oracle(network, features, mask, target, 1e-6)
    for number, row in enumerate(maps.outputs.tolist()):
        torch.testing.assert_close(_dense(maps, number, mask.numel()), wanted[row], rtol=1e-10, atol=1e-12)


def test_parts_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    network = _network()
    features, mask = _features(network, 3, 30)
    whole = RelevanceFlow(network.body, features, mask).maps(torch.ones(12))
    monkeypatch.setattr(rmaps, "PATHS", 200)
    monkeypatch.setattr(gravnet_body, "NUMBERS", 5000)
    parts = RelevanceFlow(network.body, features, mask).maps(torch.ones(12))
    assert parts.element.equal(whole.element)
    assert parts.offsets.equal(whole.offsets)
    torch.testing.assert_close(parts.relevance, whole.relevance, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(parts.ledger.bias, whole.ledger.bias)


def test_chosen_elements_each_with_its_own_target() -> None:
    network = _network()
    features, mask = _features(network, 2, 30)
    flow = RelevanceFlow(network.body, features, mask)
    chosen = mask.flatten().nonzero()[:, 0][[5, 2, 9]]
    weights = torch.eye(12, dtype=torch.float64)[[1, 7, 4]]
    maps = flow.maps(weights, flow.fields(chosen))
    for number, (row, target) in enumerate(zip(chosen.tolist(), weights, strict=True)):
        alone = flow.maps(target)
        wanted = _dense(alone, alone.outputs.tolist().index(row), mask.numel())
        torch.testing.assert_close(_dense(maps, number, mask.numel()), wanted)


def test_padding_and_other_events_change_nothing() -> None:
    network = _network()
    features, mask = _features(network, 4, 25)
    together = RelevanceFlow(network.body, features, mask).maps(torch.ones(12))
    alone = [
        RelevanceFlow(network.body, f[None, m], m[None, m]).maps(torch.ones(12))
        for f, m in zip(features, mask, strict=True)
    ]
    torch.testing.assert_close(together.relevance, torch.cat([part.relevance for part in alone]))
    rows = [part.element + 25 * number for number, part in enumerate(alone)]
    assert together.element.equal(torch.cat(rows))


def test_an_event_of_one_element_explains_itself() -> None:
    network = _network()
    features, mask = _features(network, 1, 1)
    maps = RelevanceFlow(network.body, features, mask).maps(torch.ones(12))
    assert maps.element.tolist() == [0]
    assert maps.ledger.closes(torch.float64)


def test_nothing_is_changed() -> None:
    network = _network()
    features, mask = _features(network, 2, 20)
    before = features.clone(), {name: value.clone() for name, value in network.state_dict().items()}
    RelevanceFlow(network.body, features, mask).maps(torch.ones(12))
    assert features.equal(before[0])
    assert all(value.equal(before[1][name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda n, f, m: (n.train().body, f, m), "training mode"),
        (lambda n, f, m: (n.body, f.float(), m), "float32, the network is torch.float64"),
        (lambda n, f, m: (n.body, f * float("nan"), m), "NaN"),
        (lambda n, f, m: (n.body, f[..., :7], m), "expected .*12"),
        (lambda n, f, m: (n.body, f, torch.zeros_like(m)), "no element"),
    ],
)
def test_bad_input_is_refused(change: object, words: str) -> None:
    network = _network()
    features, mask = _features(network, 2, 5)
    with pytest.raises(ExplainError, match=words):
        RelevanceFlow(*change(network, features, mask))  # type: ignore[operator]


def test_bad_targets_are_refused() -> None:
    network = _network()
    features, mask = _features(network, 2, 5)
    flow = RelevanceFlow(network.body, features, mask)
    for target in (torch.ones(6), torch.ones(3, 12), torch.full((12,), torch.inf)):
        with pytest.raises(ExplainError, match="target"):
            flow.maps(target)
    with pytest.raises(ExplainError, match="epsilon"):
        RelevanceFlow(network.body, features, mask, epsilon=-1.0)
    with pytest.raises(ExplainError, match="expected one of none, charged_hadron"):
        one_output("tau", features)
    with pytest.raises(ExplainError, match="doesn't exist"):
        flow.fields(torch.tensor([99]))
    with pytest.raises(ExplainError, match="padding"):
        flow.fields(torch.tensor([4]))
    with pytest.raises(ExplainError, match="no element"):
        flow.maps(torch.ones(12), flow.fields(torch.tensor([], dtype=torch.long)))
