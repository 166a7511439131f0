"""ParticleNet's explanation against textbook formulas, edge by edge, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from top_tagger.network import Body, JetFeatures, ParticleNet
from torch import Tensor, nn

from fair_hep.lrp import COMPOSITES, explain
from fair_hep.models.synthetic import jets
from support import oracle
from support.folded import folded_names

TARGET = torch.tensor([-1.0, 1.0], dtype=torch.float64)
#: The oracle's rule for first, body and head of each composite.
RULES = {
    "lrp-0": ("lrp-0", "lrp-0", "lrp-0"),
    "epsilon": ("epsilon", "epsilon", "epsilon"),
    "gamma": ("gamma", "gamma", "gamma"),
    "epsilon-gamma": ("gamma", "gamma", "epsilon"),
    "epsilon-gamma-box": ("box", "gamma", "epsilon"),
    "epsilon-plus": ("plus", "plus", "epsilon"),
    "epsilon-plus-flat": ("flat", "plus", "epsilon"),
    "epsilon-plus-wsquare": ("wsquare", "plus", "epsilon"),
    "epsilon-alpha2-beta1": ("alpha2-beta1", "alpha2-beta1", "epsilon"),
    "epsilon-alpha2-beta1-flat": ("flat", "alpha2-beta1", "epsilon"),
}
BOUNDS = (-5.0, 5.0)


def randomised(module: nn.Module, seed: int = 0) -> Any:
    """Give batch norms statistics and weights as after a training."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            assert part.running_mean is not None and part.running_var is not None
            part.running_mean.normal_(generator=generator)
            part.running_var.uniform_(0.5, 2.0, generator=generator)
            part.weight.data.uniform_(0.5, 2.0, generator=generator)
            part.bias.data.normal_(generator=generator)
    return module.double().eval()


@pytest.fixture(scope="module")
def small() -> Any:
    torch.manual_seed(3)
    return randomised(Body(((3, (4, 4, 5)), (3, (6, 5, 7))), 6))


@pytest.fixture(scope="module")
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    particles = jets(5, 11, longest=8)["particles"].double()
    features: tuple[Tensor, Tensor, Tensor] = JetFeatures()(particles)
    return features


class Jet:
    """One jet through the network, by formula: forward with everything kept, and relevance backward."""

    def __init__(self, body: Any, features: Tensor, graphs: list[tuple[Tensor, Tensor]], composite: str) -> None:
        self.body, self.rules = body, RULES[composite]
        self.states = [features]
        self.graphs = graphs
        self.kept: list[dict[str, Any]] = []
        for number in range(len(body.blocks)):
            self.forward(number)
        self.edges: list[dict[tuple[int, int], Tensor]] = [{} for _ in body.blocks]

    def layers(self, number: int) -> tuple[list[tuple[Tensor, Tensor]], tuple[Tensor, Tensor]]:
        """Return the folded weights and biases of the edge MLP and of the shortcut."""
        block = self.body.blocks[number]
        wide = block.edge.weight.detach()
        size = wide.shape[1] // 2
        own, other = wide[:, :size] - wide[:, size:], wide[:, size:]
        short = block.shortcut.weight.detach()
        first, short_bias = torch.zeros(len(wide)).double(), torch.zeros(len(short)).double()
        if number == 0:
            scale, shift = oracle.batch_norm(self.body.norm)
            first, short_bias = (own + other) @ shift, short @ shift
            own, other, short = own * scale, other * scale, short * scale
        weights = [torch.cat([own, other], 1), *(layer.weight.detach() for layer in block.linears)]
        biases = [first, *(torch.zeros(len(weight)).double() for weight in weights[1:])]
        folded = []
        for weight, bias, norm in zip(weights, biases, block.norms, strict=True):
            scale, shift = oracle.batch_norm(norm)
            folded.append((weight * scale[:, None], bias * scale + shift))
        scale, shift = oracle.batch_norm(block.shortcut_norm)
        return folded, (short * scale[:, None], short_bias * scale + shift)

    def forward(self, number: int) -> None:
        index, valid = self.graphs[number]
        before = self.states[-1]
        mlp, (short, short_bias) = self.layers(number)
        kept: dict[str, Any] = {"edges": {}, "skip": before @ short.T + short_bias}
        rows = []
        for i in range(len(before)):
            messages = []
            for j in index[i][valid[i]].tolist():
                states = [torch.cat([before[i], before[j]])[None]]
                for weight, bias in mlp:
                    states.append((states[-1] @ weight.T + bias).relu())
                kept["edges"][i, j] = states
                messages.append(states[-1][0])
            mean = torch.stack(messages).mean(0) if messages else torch.zeros(len(short)).double()
            rows.append((mean + kept["skip"][i]).relu())
        self.kept.append(kept)
        self.states.append(torch.stack(rows))

    def explain(self) -> Tensor:
        last = self.states[-1]
        pooled = last.mean(0)[None]
        first, second = self.body.hidden, self.body.classify
        hidden = (pooled @ first.weight.detach().T + first.bias.detach()).relu()
        output = hidden @ second.weight.detach().T + second.bias.detach()
        relevance = oracle.linear(self.rules[2], hidden, second.weight.detach(), second.bias.detach(), output * TARGET)
        relevance = oracle.passed(relevance, hidden)
        relevance = oracle.linear(self.rules[2], pooled, first.weight.detach(), first.bias.detach(), relevance)
        rows = torch.stack(oracle.shared(relevance[0], [row / len(last) for row in last]))
        for number in reversed(range(len(self.body.blocks))):
            rows = self.backward(number, rows)
        return rows

    def backward(self, number: int, relevance: Tensor) -> Tensor:
        rule = self.rules[0 if number == 0 else 1]
        mlp, (short, short_bias) = self.layers(number)
        before, kept = self.states[number], self.kept[number]
        relevance = oracle.passed(relevance, self.states[number + 1])
        result = torch.zeros_like(before)
        for i in range(len(before)):
            pairs = [pair for pair in kept["edges"] if pair[0] == i]
            messages = [kept["edges"][pair][-1][0] / len(pairs) for pair in pairs]
            *shares, skip = oracle.shared(relevance[i], [*messages, kept["skip"][i]])
            result[i] += oracle.linear(rule, before[i][None], short, short_bias, skip[None], bounds=BOUNDS)[0]
            for (_, j), share in zip(pairs, shares, strict=True):
                self.edges[number][i, j] = share
                states, edge = kept["edges"][i, j], share[None]
                for layer in reversed(range(len(mlp))):
                    weight, bias = mlp[layer]
                    name = rule if layer == 0 else self.rules[1]
                    edge = oracle.passed(edge, states[layer + 1])
                    edge = oracle.linear(name, states[layer], weight, bias, edge, bounds=BOUNDS)
                size = before.shape[1]
                result[i] += edge[0, :size]
                result[j] += edge[0, size:]
        return result


@pytest.mark.parametrize("composite", RULES)
def test_every_relevance_follows_its_formula(small: Any, inputs: tuple[Tensor, Tensor, Tensor], composite: str) -> None:
    features, _, mask = inputs
    graphs: list[Any] = []
    hooks = [graph.register_forward_hook(lambda _, __, found: graphs.append(found)) for graph in small.graphs]
    places = [f"blocks.{number}.messages" for number in range(2)]
    found = explain(small, inputs, TARGET, composite=composite, places=places, bounds=BOUNDS)
    for hook in hooks:
        hook.remove()
    assert found.ledger.closes(torch.float64)
    for jet in range(len(features)):
        real = mask[jet]
        size = int(real.sum())
        own = [(index[jet, :size], valid[jet, :size]) for index, valid in graphs[-2:]]
        explicit = Jet(small, features[jet, real], own, composite)
        wanted = explicit.explain()
        scale = float(wanted.abs().max())
        assert float((found.relevance[jet, real] - wanted).abs().max()) < 1e-10 * scale
        assert not bool(found.relevance[jet, ~real].any())
        for number, place in enumerate(places):
            index, valid = own[number]
            messages = found.places[place].unflatten(0, mask.shape)[jet, :size]
            for i, slot in valid.nonzero().tolist():
                edge = explicit.edges[number][i, int(index[i, slot])]
                assert float((messages[i, slot] - edge).abs().max()) < 1e-10 * scale
            assert not bool(messages[~valid].any())


def test_oracle_knows_every_composite() -> None:
    assert set(RULES) == set(COMPOSITES)


@pytest.mark.parametrize("preset", ["lite", "full"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ledger_closes_for_jets_of_every_size(preset: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    network = randomised(ParticleNet(preset)).to(dtype)
    values = network.features(jets(6, 2)["particles"].to(dtype))
    for name in COMPOSITES:
        found = explain(network.body, values, [-1.0, 1.0], composite=name, bounds=(-5.0, 5.0))
        assert found.ledger.closes(dtype)
        assert not bool(found.relevance[~values[2]].any())
    assert torch.allclose(found.outputs, network.body(*values), atol=1e-4 if dtype == torch.float32 else 1e-9)


def test_relevance_does_not_depend_on_padding_or_order(small: Any, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    features, points, mask = inputs
    found = explain(small, inputs, TARGET).relevance
    wider = [nn.functional.pad(t, (0, 0, 0, 5)) for t in (features, points)]
    padded = explain(small, (*wider, nn.functional.pad(mask, (0, 5))), TARGET).relevance
    assert torch.allclose(padded[:, : mask.shape[1]], found, atol=1e-13)
    order = torch.randperm(mask.shape[1], generator=torch.Generator().manual_seed(0))
    shuffled = explain(small, (features[:, order], points[:, order], mask[:, order]), TARGET).relevance
    assert torch.allclose(shuffled, found[:, order], atol=1e-13)


def test_exclude_rule_conserves_relative_to_all_relevance(small: Any, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    found = explain(small, inputs, TARGET, bias="exclude", epsilon=1e-9)
    assert not found.ledger.layers
    assert float(found.error.max()) < 1e-10


def test_two_forms_of_the_edge_map_agree_for_epsilon_only() -> None:
    """The form [x_i, x_j - x_i] gives other numbers under rules that look at signs; ours is [x_i, x_j]."""
    torch.manual_seed(1)
    canonical = torch.randn(3, 4, dtype=torch.float64)
    folded = torch.cat([canonical[:, :2] - canonical[:, 2:], canonical[:, 2:]], 1)
    here, there = torch.randn(2, 5, 2, dtype=torch.float64).unbind(0)
    relevance = torch.randn(5, 3, dtype=torch.float64)

    def both(rule: str) -> tuple[Tensor, Tensor]:
        first = oracle.linear(rule, torch.cat([here, there - here], 1), canonical, None, relevance)
        # Relevance of x_j - x_i goes to both in proportion (LRP-0 of a difference).
        difference = torch.where(there == here, 0.0, first[:, 2:] / (there - here))
        one = torch.cat([first[:, :2] - difference * here, difference * there], 1)
        return one, oracle.linear(rule, torch.cat([here, there], 1), folded, None, relevance)

    one, other = both("lrp-0")
    assert torch.allclose(one, other, atol=1e-12)
    one, other = both("gamma")
    assert float((one - other).abs().max()) > 1e-2


def test_all_norms_of_particlenet_are_folded() -> None:
    network = randomised(ParticleNet("full"))
    inputs = network.features(jets(3, 1)["particles"].double())
    norms = {name for name, module in network.body.named_modules() if isinstance(module, nn.BatchNorm1d)}
    assert len(norms) == 13
    assert folded_names(network.body, inputs) == norms
