"""The preset whose momenta correct what was measured; the published ones are as they were."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from particle_flow.network import PRESETS, ParticleFlow
from particle_flow.train import LossOptions, loss
from torch import Tensor

from fair_hep.lrp import explain
from fair_hep.particleflow.columns import CLASSES, MOMENTA
from fair_hep.particleflow.rmaps import RelevanceFlow, one_output
from fair_hep.particleflow.synthetic import events

PUBLISHED = [name for name in PRESETS if name != "corrections"]


def network(preset: str, *, trained: bool = False) -> ParticleFlow:
    """Return a network; one that counts as trained has corrections other than 0."""
    torch.manual_seed(0)
    made = ParticleFlow(preset).double().eval()
    if trained:
        torch.nn.init.normal_(made.get_parameter("body.regress.6.weight"), std=0.1)
    return made


def elements(seed: int = 1) -> Tensor:
    return events(4, seed, longest=12)["elements"].double()


@pytest.mark.parametrize("preset", PUBLISHED)
def test_published_networks_give_what_their_momentum_head_says(preset: str) -> None:
    made = network(preset)
    heard: list[Tensor] = []
    made.body.regress.register_forward_hook(lambda module, inputs, output: heard.append(output))
    batch = elements()
    _, momenta = made(batch)
    real = batch[..., 0] > 0
    assert made.body.measured is None
    assert heard[0].shape[-1] == len(MOMENTA)
    assert momenta[real].equal(heard[0].reshape(momenta.shape)[real])


def test_before_training_momenta_are_what_was_measured() -> None:
    batch = elements()
    _, momenta = network("corrections")(batch)
    real = batch[..., 0] > 0
    columns = (9, 1, 2, 3, 4, 5)  # charge, pT, eta, sin phi, cos phi, p or E
    wanted = [batch[..., c].log() if c in (1, 5) else batch[..., c] for c in columns]
    torch.testing.assert_close(momenta[real], torch.stack(wanted, -1)[real], rtol=0, atol=1e-9)
    assert (momenta[~real] == 0).all()


def test_training_never_changes_the_charge_of_a_track() -> None:
    batch = elements()
    _, momenta = network("corrections", trained=True)(batch)
    assert momenta[..., 0].equal(batch[..., 9])
    assert float((momenta[..., 1] - batch[..., 1].clamp(min=1e-3).log())[batch[..., 0] > 0].detach().abs().max()) > 1e-3


@pytest.mark.parametrize("name", ["log_pt", "eta", "sin_phi", "cos_phi", "log_energy"])
def test_the_corrections_are_explained_and_the_account_closes(name: str) -> None:
    made = network("corrections", trained=True)
    features, mask = made.features(elements())
    flow = RelevanceFlow(made.body, features, mask)
    flow.check(made.body(features, mask))
    maps = flow.maps(one_output(name, features))
    assert maps.ledger.closes(torch.float64)
    # What is explained is small although the momentum isn't.
    assert float(maps.ledger.explained.abs().max()) > 0
    if name == "log_energy":
        momenta = made.body(features, mask)[1][mask].detach()
        assert float(maps.ledger.explained.abs().mean()) < float(momenta[:, 5].abs().mean())


def test_nothing_explains_the_charge_that_the_track_has() -> None:
    made = network("corrections", trained=True)
    features, mask = made.features(elements())
    maps = RelevanceFlow(made.body, features, mask).maps(one_output("charge", features))
    assert (maps.relevance == 0).all() and maps.ledger.closes(torch.float64)


def test_the_engine_books_what_was_measured_as_a_constant() -> None:
    made = network("corrections", trained=True)
    features, mask = made.features(elements())
    target = torch.zeros(*mask.shape[1:], len(CLASSES) + len(MOMENTA), dtype=torch.float64)
    target[0, len(CLASSES) + MOMENTA.index("log_energy")] = 1.0
    found = explain(made.body, (features, mask), target.flatten())
    assert found.ledger.closes(torch.float64)
    constants = found.ledger.layers["the network: add"]
    body: Any = made.body
    measured = body.measured(features)[:, 0, MOMENTA.index("log_energy")]
    torch.testing.assert_close(constants, measured)


@pytest.mark.parametrize("errors", ["logarithms", "resolution"])
def test_a_step_against_the_gradient_lowers_the_loss(errors: str) -> None:
    made = network("corrections").train()
    batch = {name: values.double() for name, values in events(6, 2).items()}
    options = LossOptions(momentum_errors=errors, class_weights="equal")

    def now() -> Tensor:
        return loss(made(batch["elements"]), batch, options)

    before = now()
    before.backward()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.grad is not None:
                parameter.sub_(1e-4 * parameter.grad)
    assert float(now()) < float(before)


def test_what_is_measured_right_costs_nothing() -> None:
    batch = {name: values.double() for name, values in events(6, 2).items()}
    made = network("corrections")
    _, momenta = made(batch["elements"])
    batch["target"] = torch.cat([batch["target"][..., :1], momenta.detach()], -1)
    batch["target"][..., [2, 6]] = momenta[..., [1, 5]].detach().exp()
    right = torch.nn.functional.one_hot(batch["target"][..., 0].long(), len(CLASSES)).double() * 60
    found = loss((right, momenta), batch, LossOptions(momentum_errors="resolution", momentum_weight=1000))
    assert float(found) == pytest.approx(0.0, abs=1e-9)
