"""Outputs of sets: several tensors, a row for every element."""

from __future__ import annotations

import pytest
import torch
from particle_flow.network import PRESETS, ParticleFlow
from torch import Tensor, nn

from fair_hep.bundle.errors import ExplainError
from fair_hep.lrp import explain
from fair_hep.particleflow.removal import RULES
from fair_hep.particleflow.synthetic import events

EPSILON = 1e-6


class _TwoHeads(nn.Module):
    """Two outputs of every element."""

    def __init__(self, *, ragged: bool = False) -> None:
        super().__init__()
        self.body, self.first, self.second = nn.Linear(3, 5), nn.Linear(5, 2), nn.Linear(5, 4)
        self.activation, self.ragged = nn.ReLU(), ragged

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.activation(self.body(values))
        second = self.second(hidden)
        return self.first(hidden), second[:, 1:] if self.ragged else second


def _network(*, ragged: bool = False) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(3)
    return _TwoHeads(ragged=ragged).double().eval(), torch.randn(4, 7, 3, dtype=torch.float64)


def test_weights_of_columns_are_those_of_every_element() -> None:
    network, values = _network()
    weights = torch.tensor([1.0, -2.0, 0.5, 0.0, 0.0, 3.0], dtype=torch.float64)
    found = explain(network, values, weights, epsilon=EPSILON)
    flat = explain(network, values, weights.repeat(7), epsilon=EPSILON)
    joined = torch.cat(network(values), -1)
    assert found.outputs.equal(joined.detach())
    torch.testing.assert_close(found.explained, (joined.detach() * weights).sum((1, 2)))
    torch.testing.assert_close(found.relevance, flat.relevance, rtol=0, atol=0)
    assert float(found.error.max()) < 1e-12
    torch.testing.assert_close(explain(network, values, weights[None]).relevance, found.relevance)


def test_one_output_of_one_element_has_a_number() -> None:
    network, values = _network()
    found = explain(network, values, 3 * 6 + 4)
    assert (found.relevance[:, 3] != 0).any()
    assert (found.relevance[:, [0, 1, 2, 4, 5, 6]] == 0).all()


def test_relevance_of_all_elements_adds_up() -> None:
    features, mask = ParticleFlow().double().features(events(3, 1, longest=5)["elements"].double())
    torch.manual_seed(0)
    body = ParticleFlow().double().eval().body
    together = explain(body, (features, mask), torch.eye(12, dtype=torch.float64)[7])
    apart = torch.stack([explain(body, (features, mask), element * 12 + 7).relevance for element in range(5)]).sum(0)
    torch.testing.assert_close(together.relevance, apart)


def test_outputs_that_cannot_be_joined_are_refused() -> None:
    network, values = _network(ragged=True)
    with pytest.raises(ExplainError, match="one tensor or several with the same axes"):
        explain(network, values, 0)


def test_weights_of_another_length_are_refused() -> None:
    network, values = _network()
    with pytest.raises(ExplainError, match=r"shape \(5,\)"):
        explain(network, values, [1.0] * 5)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", RULES)
def test_ledger_closes_for_every_rule(preset: str, dtype: torch.dtype, name: str) -> None:
    torch.manual_seed(0)
    network = ParticleFlow(preset).to(dtype).eval()
    features, mask = network.features(events(3, 1, longest=30)["elements"].to(dtype))
    for output in (1, 7):
        target = torch.zeros(*mask.shape, 12, dtype=dtype)
        target[:, 0, output] = 1.0
        found = explain(network.body, (features, mask), target, composite=name)
        assert found.ledger.closes(dtype)
        assert not bool(found.relevance[~mask].any())


@pytest.mark.parametrize("name", ["epsilon-plus-flat", "epsilon-gamma-box"])
def test_rules_for_inputs_are_refused_as_the_heads_read_the_features(name: str) -> None:
    network = ParticleFlow().eval()
    inputs = network.features(events(2, 1, longest=9)["elements"])
    with pytest.raises(ExplainError, match="only linear layers"):
        explain(network.body, inputs, 0, composite=name, bounds=(-5.0, 5.0))


def test_a_class_flows_through_the_messages_of_every_layer() -> None:
    torch.manual_seed(0)
    network = ParticleFlow("explained").double().eval()
    features, mask = network.features(events(2, 1, longest=30)["elements"].double())
    target = torch.zeros(*mask.shape, 12, dtype=torch.float64)
    target[:, 0, 2] = 1.0
    place = "convolutions.0.messages"
    found = explain(network.body, (features, mask), target, composite="lrp-0", places=[place])
    through = found.places[place].reshape(len(mask), -1).sum(1)
    # Nothing goes round the convolution: what doesn't pass is what the biases behind it took.
    behind = [taken for name, taken in found.ledger.layers.items() if name.startswith(("convolutions", "classify"))]
    before = [name for name in found.ledger.layers if name.startswith("embed")]
    sent = found.ledger.layers["convolutions.0.propagate"]
    assert before and float(through.abs().min()) > 0
    torch.testing.assert_close(through + sum(behind) - sent, found.explained, rtol=1e-10, atol=1e-12)
    two = ParticleFlow("compact").double().eval()
    both = [f"convolutions.{number}.messages" for number in range(2)]
    found = explain(two.body, (features, mask), target, places=both)
    assert all(bool(found.places[name].any()) for name in both)
