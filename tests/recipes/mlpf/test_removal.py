"""Removal of the elements that an output sees: what is kept, what stays, and what the table says."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from particle_flow.network import ParticleFlow

from fair_hep.lrp.faithfulness import GRADIENT, RANDOM
from fair_hep.particleflow.choices import Choice, choose
from fair_hep.particleflow.removal import RULES, _Element, removal
from support.events import Events, make_network


@pytest.fixture(scope="module")
def network() -> ParticleFlow:
    return make_network()


def element(network: ParticleFlow, event: int = 1, row: int = 3, true: int = 1) -> Any:
    with torch.no_grad():
        batch = Events().batch["elements"][event : event + 1]
        real = batch[0, :, 0] > 0
        features, mask = network.features(batch[:, real])
    return _Element(network.body, features, mask, row, true)


def test_the_field_is_what_the_output_sees(network: ParticleFlow) -> None:
    one = element(network)
    rankings, field = one.rankings(1e-6, torch.Generator().manual_seed(0))
    assert set(rankings) == {*RULES, GRADIENT, RANDOM}
    assert not bool(field[0, one.row]) and 0 < int(field.sum()) < field.shape[1]
    # Two convolutions over four elements each.
    assert int(field.sum()) < 4 * 4
    for name in RULES:
        assert not bool(rankings[name][~field & (torch.arange(field.shape[1]) != one.row)].any()), name


def test_nothing_removed_is_the_event_and_everything_removed_leaves_others(network: ParticleFlow) -> None:
    one = element(network)
    _, field = one.rankings(1e-6, torch.Generator().manual_seed(0))
    logit = float(network.body(one.features, one.mask)[0][0, one.row, one.true].detach())
    for score in (one.plain(field), one.frozen(field)):
        assert float(score(field)) == pytest.approx(logit, abs=1e-5)
    none = torch.zeros_like(field)
    assert float(one.plain(field)(none)) != pytest.approx(float(one.frozen(field)(none)), abs=1e-4)
    # On the frozen graph the element is alone then: as in an event of its own.
    own = one.features[:, one.row : one.row + 1]
    alone = network.body(own, torch.ones(1, 1, dtype=torch.bool))[0][0, 0, one.true]
    assert float(one.frozen(field)(none)) == pytest.approx(float(alone.detach()), abs=1e-5)


def test_table_of_removal(network: ParticleFlow) -> None:
    data = Events()
    choices = choose(network, data, range(6), 1, seed=1)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    settings: dict[str, Any] = {"composite": "epsilon", "epsilon": 1e-6, "steps": 2, "seed": 4}
    found = removal(network, data, choices, **settings)
    json.dumps(found, allow_nan=False)
    assert found["elements"] + found["without_neighbours"] == sum(len(choice.rows) for choice in choices)
    assert set(found["removal"]) == {*RULES, GRADIENT, RANDOM}
    assert found["recommended"] in RULES
    assert found["agreement"]["epsilon"] == pytest.approx(1.0)
    assert abs(found["agreement"][RANDOM]) < 0.5
    for row in found["removal"].values():
        area = np.trapezoid(np.array(row["insertion"]) - np.array(row["deletion"]), dx=1 / 2)
        assert area == pytest.approx(row["area"], abs=1e-4)
    assert all(values.equal(before[name]) for name, values in network.state_dict().items())
    assert found == removal(network, data, choices, **settings)


def test_an_element_alone_is_counted(network: ParticleFlow) -> None:
    choice = Choice(0, np.array([0]), np.array([1]), np.array([1]))
    found = removal(network, Events(), [choice], composite="epsilon", epsilon=1e-6, steps=2, seed=0)
    assert found == {"elements": 0, "without_neighbours": 1, "steps": 2}
