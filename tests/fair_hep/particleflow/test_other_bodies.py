"""Relevance maps of a network that isn't ours: other features, other widths, one neighbourhood for each layer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from fair_hep.bundle.errors import ExplainError
from fair_hep.lrp import explain
from fair_hep.nets.gravnet import GravNet
from fair_hep.nets.layers import Rows
from fair_hep.particleflow.rmaps import RelevanceFlow

FEATURES, CLASSES, MOMENTA = 5, 3, 2


class OtherBody(nn.Module):
    """What another author might write: it has what `GravNetBody` asks for, and nothing else."""

    classify_features, regress_rows = True, True

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(FEATURES, 7), nn.GELU(), nn.Identity())
        self.convolutions = nn.ModuleList(
            [GravNet(7, 6, space=2, propagate=4, k=3), GravNet(6, 8, space=3, propagate=5, k=4)]
        )
        self.activations = nn.ModuleList([nn.ReLU(), nn.Tanh()])
        self.classify = nn.Sequential(nn.Linear(FEATURES + 8, CLASSES))
        self.regress = nn.Sequential(nn.Linear(FEATURES + CLASSES + 8, 9), nn.SiLU(), nn.Linear(9, MOMENTA))

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        rows = Rows(mask, packed=self.training)
        given = rows.pack(features)
        values = self.embed(given)
        for convolution, activation in zip(self.convolutions, self.activations, strict=True):
            values = activation(convolution(values, rows))
        logits = self.classify(torch.cat([given, values], -1))
        momenta = self.regress(torch.cat([given, logits, values], -1))
        real = mask[..., None]
        return torch.where(real, rows.dense(logits), 0.0), torch.where(real, rows.dense(momenta), 0.0)


def made() -> tuple[OtherBody, Tensor, Tensor]:
    torch.manual_seed(4)
    mask = torch.arange(8) < torch.tensor([8, 5])[:, None]
    features = torch.randn(2, 8, FEATURES, dtype=torch.float64) * mask[..., None]
    return OtherBody().double().eval(), features, mask


@pytest.mark.parametrize("output", range(CLASSES + MOMENTA))
def test_maps_are_those_of_the_engine(output: int) -> None:
    body, features, mask = made()
    flow = RelevanceFlow(body, features, mask, epsilon=1e-4)
    maps = flow.maps(torch.eye(CLASSES + MOMENTA)[output])
    assert maps.ledger.closes(torch.float64)
    for number, row in enumerate(maps.outputs.tolist()):
        event, element = divmod(row, mask.shape[1])
        target = features.new_zeros(*mask.shape[1:], CLASSES + MOMENTA)
        target[element, output] = 1.0
        found = explain(body, (features, mask), target.flatten(), epsilon=1e-4).relevance[event]
        seen, relevance = maps.map(number)
        dense = torch.zeros_like(found).index_put((seen - event * mask.shape[1],), relevance)
        torch.testing.assert_close(dense, found, rtol=1e-10, atol=1e-12)


def _embed(layer: nn.Module) -> Callable[[OtherBody], object]:
    return lambda body: body.embed.insert(1, layer)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda body: delattr(body, "classify"), "no 'classify': relevance maps need what GravNetBody describes"),
        (_embed(nn.LayerNorm(7)), r"embed.1 is LayerNorm.*follow Linear with a bias, and element-wise functions"),
        (_embed(nn.Softmax(-1)), "embed.1 is Softmax"),
        (_embed(nn.Linear(7, 7, bias=False)), "embed.1 is Linear.*bias=False"),
        (lambda body: body.convolutions.append(nn.Linear(8, 8)), "convolutions.2 is a Linear: .* follow GravNet"),
        (lambda body: body.activations.append(nn.ReLU()), "3 activations for 2 convolutions: expected one each"),
        (lambda body: body.activations.__setitem__(0, nn.Softmax(-1)), "activations.0 is Softmax"),
    ],
)
def test_what_cannot_be_followed_is_refused(change: Callable[[OtherBody], object], words: str) -> None:
    body, features, mask = made()
    change(body)
    with pytest.raises(ExplainError, match=words) as caught:
        RelevanceFlow(body.double(), features, mask)
    assert "\n" not in str(caught.value)


def test_a_body_that_computes_something_else_is_refused() -> None:
    body, features, mask = made()
    flow = RelevanceFlow(body, features, mask)
    flow.check(body(features, mask))
    logits, momenta = body(features, mask)
    with pytest.raises(ExplainError, match="the network's answers differ from those that relevance maps follow by"):
        flow.check((logits + 0.1, momenta))
