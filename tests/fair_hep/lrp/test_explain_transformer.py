"""A network that no model here has, a small Particle Transformer: explained by rules alone, with its attention held.

The formulas are those of Ali et al. (arXiv:2202.07304): attention weights and the spread of a layer norm are constants.
Its graphs are compared where the template's tests run the guide that publishes it.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fair_hep.bundle.errors import ExplainError
from fair_hep.lrp import COMPOSITES, Explanation, explain
from support import oracle
from support.particle_transformer import Attention, Hyperparameters, Network

TARGET = torch.tensor([[-1.0, 1.0]], dtype=torch.float64)
#: Composites without a rule for bounded inputs.
USED = [name for name in COMPOSITES if "box" not in name]


def network(*, channels: int = 8, blocks: int = 2, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    net = Network(Hyperparameters(channels=channels, blocks=blocks))
    with torch.no_grad():
        for parameter in net.parameters():
            # Biases and layer norms must not look like zeros and ones.
            parameter.add_(0.2 * torch.randn_like(parameter))
    return net.double().eval()


def jets(sizes: tuple[int, ...] = (1, 5, 9, 3), seed: int = 1) -> Tensor:
    """Return massless momenta of jets with these numbers of particles, zero-padded."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(sizes), max(sizes))
    pt = 100.0 * torch.rand(shape, generator=generator, dtype=torch.float64) + 1.0
    eta = 0.3 * torch.randn(shape, generator=generator, dtype=torch.float64) + 0.5
    phi = 0.3 * torch.randn(shape, generator=generator, dtype=torch.float64) + 3.0
    momenta = torch.stack([pt * eta.cosh(), pt * phi.cos(), pt * phi.sin(), pt * eta.sinh()], -1)
    real = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
    return torch.where(real[..., None], momenta, 0.0)


def explained(net: Network, particles: Tensor, composite: str = "epsilon", **options: Any) -> Explanation:
    return explain(net.body, net.features(particles), TARGET.to(particles.dtype), composite=composite, **options)


@pytest.mark.parametrize("name", USED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_ledger_closes(name: str, dtype: torch.dtype) -> None:
    found = explained(network().to(dtype), jets().to(dtype), name)
    assert found.ledger.closes(dtype)
    assert float(found.ledger.explained.abs().min()) > 1e-3
    assert float(found.relevance.abs().amax((1, 2)).min()) > 1e-3


def test_the_network_stays_as_it_was() -> None:
    net, particles = network(), jets()
    before = net(particles)
    found = explained(net, particles)
    assert torch.equal(net(particles), before)
    assert torch.allclose(found.outputs, before, atol=1e-12)
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_with_no_bias_everything_reaches_the_particles() -> None:
    net = network()
    with torch.no_grad():
        for name, parameter in net.body.named_parameters():
            if name.endswith("bias") or name == "token":
                parameter.zero_()
    found = explained(net, jets(), epsilon=1e-12)
    total = found.relevance.sum((1, 2))
    assert torch.allclose(total, found.ledger.explained, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["epsilon", "epsilon-plus"])
def test_order_and_padding_change_nothing(name: str) -> None:
    net, particles = network(), jets()
    wanted = explained(net, particles, name).relevance
    order = torch.randperm(particles.shape[1], generator=torch.Generator().manual_seed(3))
    moved = explained(net, particles[:, order], name).relevance
    assert torch.allclose(moved, wanted[:, order], atol=1e-9)
    padded = explained(net, torch.cat([particles, torch.zeros_like(particles)], 1), name).relevance
    assert torch.allclose(padded[:, : particles.shape[1]], wanted, atol=1e-9)
    assert float(padded[:, particles.shape[1] :].abs().max()) == 0.0


def test_a_jet_without_particles_has_an_answer_and_no_relevance() -> None:
    found = explained(network(), torch.cat([jets(), torch.zeros(1, 9, 4, dtype=torch.float64)]))
    assert bool(torch.isfinite(found.outputs).all())
    assert float(found.relevance[-1].abs().max()) == 0.0
    assert found.ledger.closes(torch.float64)


# --- the same by formula, for one jet ---------------------------------------------------------------------------------


class Explicit:
    """Relevance of `Body` by formula, layer by layer from the logits down, for the particles of one jet."""

    def __init__(self, body: Any, rule: str) -> None:
        self.body, self.rule = body, rule
        self.last = rule if rule == "lrp-0" else "epsilon"

    def __call__(self, features: Tensor, pairs: Tensor) -> Tensor:
        body = self.body
        embedded = [features]
        for layer in body.embed:
            embedded.append(layer(embedded[-1]).detach())
        values, known = embedded[-1], body.pairs(pairs).permute(2, 0, 1).detach()
        inputs = []
        for block in body.blocks:
            inputs.append(values)
            values = block(values[None], known[None], torch.ones(1, len(values), dtype=torch.bool))[0].detach()
        token, normal = body.token[0].detach(), body.norm(values).detach()
        received = self.attended(body.attention, token, normal, torch.zeros(1))[0]
        last = token + received
        head = body.head[0](last).detach()
        relevance = body.head[1](head).detach() * TARGET
        relevance = self.normalised(body.head[0], last, self.linear(body.head[1], head, relevance, self.last))
        _, relevance = oracle.shared(relevance, [token, received])
        relevance = self.attention(body.attention, token, normal, torch.zeros(1), relevance, rule=self.last)
        relevance = self.normalised(body.norm, values, relevance)
        for block, start in zip(reversed(body.blocks), reversed(inputs), strict=True):
            relevance = self.block(block, start, known, relevance)
        relevance = self.linear(body.embed[2], embedded[2], relevance)
        relevance = oracle.passed(relevance, embedded[2])
        return self.linear(body.embed[0], features, relevance)

    def linear(self, layer: nn.Linear, inputs: Tensor, relevance: Tensor, rule: str | None = None) -> Tensor:
        weight, bias = layer.weight.detach(), layer.bias.detach()
        return oracle.linear(rule or self.rule, inputs, weight, bias, relevance)

    def normalised(self, norm: nn.LayerNorm, inputs: Tensor, relevance: Tensor) -> Tensor:
        """Share in proportion to what a fixed matrix takes from every input: centring, over a constant spread."""
        size = inputs.shape[1]
        centring = torch.eye(size, dtype=torch.float64) - 1.0 / size
        result = torch.zeros_like(inputs)
        for row, values in enumerate(inputs):
            spread = math.sqrt(float(((values - values.mean()) ** 2).mean()) + norm.eps)
            matrix = norm.weight.detach()[:, None] * centring / spread
            whole = matrix @ values + norm.bias.detach()
            result[row] = ((matrix * values[None]) * (relevance[row] / whole)[:, None]).sum(0)
        return result

    def weights(self, layer: Attention, queries: Tensor, values: Tensor, known: Tensor) -> list[Tensor]:
        """Return the softmax of every head, written out."""
        query, key = layer.weights.query(queries).detach(), layer.weights.key(values).detach()
        size = query.shape[1] // layer.weights.heads
        result = []
        for head in range(layer.weights.heads):
            part = slice(head * size, (head + 1) * size)
            exponents = query[:, part] @ key[:, part].T / math.sqrt(size) + known[min(head, len(known) - 1)]
            result.append(exponents.exp() / exponents.exp().sum(1, keepdim=True))
        return result

    def attended(self, layer: Attention, queries: Tensor, values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Return what queries receive, and what the layer's last map gets."""
        sent = layer.value(values).detach()
        weights = self.weights(layer, queries, values, known)
        size = sent.shape[1] // len(weights)
        mixed = torch.cat([part @ sent[:, n * size : (n + 1) * size] for n, part in enumerate(weights)], 1)
        return layer.output(mixed).detach(), mixed

    def attention(
        self, layer: Attention, queries: Tensor, values: Tensor, known: Tensor, relevance: Tensor, *, rule: str
    ) -> Tensor:
        """Return the relevance of the particles that sent, with the weights as constants."""
        sent, mixed = layer.value(values).detach(), self.attended(layer, queries, values, known)[1]
        relevance = self.linear(layer.output, mixed, relevance, rule)
        weights = self.weights(layer, queries, values, known)
        size = sent.shape[1] // len(weights)
        shares = torch.zeros_like(sent)
        for head, part in enumerate(weights):
            columns = slice(head * size, (head + 1) * size)
            for query in range(len(queries)):
                # Every particle gets its part of what the query received.
                sends = part[query, :, None] * sent[:, columns]
                shares[:, columns] += sends * (relevance[query, columns] / mixed[query, columns])[None]
        return self.linear(layer.value, values, shares, self.rule)

    def block(self, block: Any, values: Tensor, known: Tensor, relevance: Tensor) -> Tensor:
        normal = block.before(values).detach()
        received, _ = self.attended(block.attention, normal, normal, known)
        sent = block.after(received).detach()
        middle = values + sent
        steps = [middle]
        for layer in block.mlp:
            steps.append(layer(steps[-1]).detach())
        around, relevance = oracle.shared(relevance, [middle, steps[-1]])
        relevance = self.linear(block.mlp[4], steps[4], relevance)
        relevance = oracle.passed(self.normalised(block.mlp[3], steps[3], relevance), steps[3])
        relevance = self.linear(block.mlp[1], steps[1], relevance)
        relevance = around + self.normalised(block.mlp[0], middle, relevance)
        around, relevance = oracle.shared(relevance, [values, sent])
        relevance = self.normalised(block.after, received, relevance)
        relevance = self.attention(block.attention, normal, normal, known, relevance, rule=self.rule)
        return around + self.normalised(block.before, values, relevance)


@pytest.mark.parametrize(
    ("composite", "rule"), [("lrp-0", "lrp-0"), ("epsilon", "epsilon"), ("epsilon-gamma", "gamma")]
)
@pytest.mark.parametrize("blocks", [1, 2])
def test_relevance_follows_the_formulas(composite: str, rule: str, blocks: int) -> None:
    net = network(channels=4, blocks=blocks)
    features, pairs, _ = net.features(jets((5,)))
    found = explained(net, jets((5,)), composite)
    wanted = Explicit(net.body, rule)(features[0], pairs[0])
    assert float((found.relevance[0] - wanted).abs().max() / wanted.abs().max()) < 1e-9


# --- what isn't held, is refused --------------------------------------------------------------------------------------


def test_attention_that_nobody_holds_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Attention, "held", ())
    with pytest.raises(ExplainError, match=r"'blocks\.0\.attention\.weights'.* matmul .*multiplies two activations"):
        explained(network(), jets())


def test_the_attention_of_torch_itself_is_refused_by_name() -> None:
    class Ready(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 2)

        def forward(self, values: Tensor) -> Tensor:
            logits: Tensor = self.head(self.attention(values, values, values, need_weights=False)[0].mean(1))
            return logits

    values = torch.randn(3, 4, 8, dtype=torch.float64)
    with pytest.raises(ExplainError, match="'attention'") as found:
        explain(Ready().double().eval(), values, 1)
    assert "\n" not in str(found.value)
