"""Every promise of the contract, broken by a network of its own and caught by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from top_tagger import ParticleNetModel
from top_tagger.network import ParticleNet
from torch import Tensor, nn

from fair_hep.bundle.errors import ModelError
from fair_hep.check import CHECKS, check_model
from fair_hep.provenance.configuration import Config


class _InPlace(ParticleNet):
    def forward(self, particles: Tensor, axis: Tensor | None = None) -> Tensor:
        particles *= 1.5
        return super().forward(particles, axis)


class _Counting(ParticleNet):
    def forward(self, particles: Tensor, axis: Tensor | None = None) -> Tensor:
        return super().forward(particles, axis) + particles.shape[1]


class _Ordered(ParticleNet):
    def forward(self, particles: Tensor, axis: Tensor | None = None) -> Tensor:
        return super().forward(particles, axis) + particles[:, :1, 0]


class _FixedSize(ParticleNet):
    def forward(self, particles: Tensor, axis: Tensor | None = None) -> Tensor:
        return super().forward(particles[:, torch.arange(10)], axis)


class _Idle(ParticleNet):
    def __init__(self, preset: str = "full") -> None:
        super().__init__(preset)
        self.body.forgotten = nn.Linear(2, 2)


class _Noisy(ParticleNet):
    def forward(self, particles: Tensor, axis: Tensor | None = None) -> Tensor:
        logits = super().forward(particles, axis)
        return logits + torch.randn_like(logits)


class _Hidden(ParticleNet):
    def __init__(self, preset: str = "full") -> None:
        super().__init__(preset)
        self.hidden_weight = torch.randn(2)

    def forward(self, particles: Tensor, axis: Tensor | None = None) -> Tensor:
        return super().forward(particles, axis) * self.hidden_weight


class _Unsplit(nn.Module):
    def __init__(self, preset: str = "full") -> None:
        super().__init__()
        self.whole = ParticleNet(preset)

    def forward(self, particles: Tensor, axis: Tensor | None = None) -> Tensor:
        result: Tensor = self.whole(particles, axis)
        return result


@pytest.mark.parametrize(
    ("network", "check", "words"),
    [
        (_InPlace, "inputs_unchanged", "changed its input particles"),
        (_Noisy, "inputs_unchanged", "two calls"),
        (_Counting, "padding_ignored", "padding changes"),
        (_Ordered, "order_ignored", "order of the elements"),
        (_FixedSize, "any_size", "with 1 elements"),
        (_Idle, "every_parameter_learns", "body.forgotten"),
        (_Hidden, "state_round_trip", "same weights"),
        (_Unsplit, "network_runs", "no features and no body"),
    ],
)
def test_broken_promise_is_caught_by_name(network: type[nn.Module], check: str, words: str) -> None:
    class Broken(ParticleNetModel):
        def build(self, **hyperparameters: Any) -> nn.Module:
            return network(**hyperparameters)

    with pytest.raises(ModelError, match=words):
        CHECKS[check](Broken(), {"preset": "lite"})
    (outcome,) = check_model(Broken(), Config(name="check", model={"preset": "lite"}), names=[check])
    assert words in outcome.reason


def test_unvalidated_hyperparameters_are_caught() -> None:
    class Lax(ParticleNetModel):
        def build(self, **hyperparameters: Any) -> nn.Module:
            return ParticleNet("lite")

    with pytest.raises(ModelError, match="accepts no_such_option"):
        CHECKS["unknown_hyperparameter_refused"](Lax(), {})


def test_a_loss_that_learns_nothing_is_caught() -> None:
    class Confused(ParticleNetModel):
        def loss(self, outputs: Any, batch: Any, **options: Any) -> Tensor:
            return super().loss(outputs, batch).detach() * 0 + outputs[0].sum() * 0

    with pytest.raises(ModelError, match="loss went from"):
        CHECKS["one_step_lowers_loss"](Confused(), {"preset": "lite"})
