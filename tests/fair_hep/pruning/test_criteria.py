"""How much channels matter: planted ones, and the same numbers worked out otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fair_hep.bundle.errors import ExplainError
from fair_hep.models.explaining import rules_of
from fair_hep.provenance.configuration import ExplainConfig
from fair_hep.pruning.choosing import choose
from fair_hep.pruning.criteria import CRITERIA, Subject, magnitude, random, relevance, scores_of, taylor
from fair_hep.pruning.groups import Group, find_groups, without
from support import recipes


def subject_of(name: str, network: nn.Module, batches: Sequence[Mapping[str, Tensor]]) -> Subject:
    """Return what is judged."""
    model = recipes.model(name)
    return Subject(model, network, batches, rules_of(model, ExplainConfig(composite="epsilon")), {}, seed=5)


def prepared(name: str, hyperparameters: dict[str, Any]) -> tuple[Subject, tuple[Any, ...], tuple[Group, ...]]:
    """Return a network with random weights and statistics, some features, and its groups."""
    model = recipes.model(name)
    torch.manual_seed(2)
    network = model.build(**hyperparameters).train()
    batch = model.example(12, 0)
    with torch.no_grad():
        network(batch[model.inputs[0].name])
    subject = subject_of(name, network.eval(), [batch])
    with torch.no_grad():
        found = network.get_submodule("features")(**subject.inputs(batch))
    return subject, found, find_groups(subject.body, found)


def kill(body: nn.Module, group: Group, places: Sequence[int]) -> None:
    """Let some channels of a group be 0 whatever comes in: all that makes them is 0."""
    for member in group.of("outputs"):
        layer = body.get_submodule(member.layer)
        for name in ("weight", "bias"):
            values = getattr(layer, name, None)
            if values is not None:
                values.data[member.places[list(places)]] = 0.0


def answers(body: nn.Module, values: Sequence[Any]) -> list[Tensor]:
    """Return what a body gives."""
    with torch.no_grad():
        found = body(*values)
    return [found] if isinstance(found, Tensor) else list(found)


@pytest.mark.parametrize(
    ("name", "hyperparameters"), [("particlenet", {"preset": "lite"}), ("custom", {}), ("mlpf", {"preset": "compact"})]
)
def test_dead_channels_go_first_and_nobody_misses_them(name: str, hyperparameters: dict[str, Any]) -> None:
    """Outputs stay equal to rounding, graphs in feature space too: a dead channel adds nothing to a distance."""
    subject, values, groups = prepared(name, hyperparameters)
    planted = {group.name: torch.randperm(group.size)[:5].tolist() for group in groups}
    for group in groups:
        kill(subject.body, group, planted[group.name])
    scores = scores_of("relevance", subject, groups)
    # Others may be dead by themselves, with random weights and few examples.
    dead = {name: (found == 0).nonzero()[:, 0] for name, found in scores.items()}
    assert all(set(planted[name]) <= set(places.tolist()) for name, places in dead.items())
    count = sum(len(places) for places in dead.values())
    removed = choose(groups, scores, lambda gone: sum(len(places) for places in gone.values()) >= count, smallest=1)
    assert {name: sorted(places.tolist()) for name, places in removed.items()} == {
        name: places.tolist() for name, places in dead.items()
    }
    whole, small = answers(subject.body, values), answers(without(subject.body, groups, removed), values)
    for one, other in zip(small, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert all(float(scores[group.name].mean()) == pytest.approx(1.0, abs=1e-5) for group in groups)


def test_relevance_of_the_last_layer_is_activation_times_weight() -> None:
    """There, for a class over the other, it is what a channel adds to the difference of logits."""
    subject, values, groups = prepared("custom", {})
    group = next(one for one in groups if one.name == "jet.2")
    seen: list[Tensor] = []
    subject.body.get_submodule("jet.4").register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    taken = answers(subject.body, values)[0].argmax(-1)
    weight = subject.body.get_submodule("jet.4").get_parameter("weight").detach()
    expected = []
    for label in taken.unique().tolist():
        added = (seen[0][taken == label] * (weight[label] - weight[1 - label])).abs().sum(0)
        expected.append(added / added.sum())
    found = relevance(subject, groups)[group.name]
    torch.testing.assert_close(found, torch.stack(expected).mean(0), rtol=1e-4, atol=1e-6)


def test_gradient_times_weight_is_how_the_loss_changes_with_a_channel() -> None:
    subject, _, groups = prepared("custom", {})
    group = next(one for one in groups if one.name == "constituent.2")
    found = taylor(subject, groups)[group.name]
    model, batch = subject.model, subject.batches[0]

    def loss(scale: float, place: int) -> float:
        made = prepared("custom", {})[0].network.double()
        body = made.get_submodule("body")
        body.get_submodule("constituent.2").get_parameter("weight").data[place] *= scale
        body.get_submodule("constituent.2").get_parameter("bias").data[place] *= scale
        body.get_submodule("constituent.4").get_parameter("weight").data[:, place] *= scale
        outputs = made(batch[model.inputs[0].name].double())
        return float(model.loss([outputs.detach()], batch))

    for place in (0, 17, 40):
        slope = (loss(1.001, place) - loss(0.999, place)) / 0.002
        assert float(found[place]) == pytest.approx(abs(slope), rel=1e-2, abs=1e-6)


def test_magnitude_is_the_norm_of_all_weights_of_a_channel() -> None:
    subject, _, groups = prepared("custom", {})
    group = next(one for one in groups if one.name == "jet.0")
    body = subject.body
    into, out = (body.get_submodule(name).get_parameter("weight").detach() for name in ("jet.0", "jet.2"))
    bias = body.get_submodule("jet.0").get_parameter("bias").detach()
    expected = (into.square().sum(1) + out.square().sum(0) + bias.square()).sqrt()
    torch.testing.assert_close(magnitude(subject, groups)[group.name], expected)


def test_random_scores_follow_from_the_seed() -> None:
    subject, _, groups = prepared("custom", {})
    first, second = (random(subject, groups) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert len({tuple(value.tolist()) for value in first.values()}) == len(groups)


def test_the_network_is_left_as_it_was() -> None:
    subject, _, groups = prepared("particlenet", {"preset": "lite"})
    before = {name: value.clone() for name, value in subject.network.state_dict().items()}
    for name in CRITERIA:
        scores_of(name, subject, groups)
    assert all(torch.equal(value, before[name]) for name, value in subject.network.state_dict().items())
    assert not any(part._forward_pre_hooks for part in subject.body.modules())


def test_a_constant_output_is_one_line() -> None:
    subject, _, groups = prepared("custom", {})
    for value in subject.body.get_submodule("jet.4").parameters():
        value.data.zero_()
    with pytest.raises(ExplainError, match="no channel has any relevance: what is explained is constant"):
        scores_of("relevance", subject, groups)
