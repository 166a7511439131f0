"""MLPF networks: published sizes, events of any size, and their particles."""

from __future__ import annotations

import pytest
import torch
from particle_flow.network import PRESETS, ParticleFlow

from fair_hep.nets.layers import Neighbours
from fair_hep.particleflow.synthetic import events


def _network(preset: str = "compact", **changes: int) -> ParticleFlow:
    torch.manual_seed(0)
    return ParticleFlow(preset, **changes).double().eval()


@pytest.mark.parametrize(("preset", "count"), [("compact", 42_832), ("wide", 335_496)])
def test_number_of_parameters_is_that_of_the_published_code(preset: str, count: int) -> None:
    assert sum(p.numel() for p in ParticleFlow(preset).parameters()) == count


def test_the_explained_network_has_the_published_layers() -> None:
    body = ParticleFlow("explained").body
    shapes = {name: tuple(p.shape) for name, p in body.named_parameters() if name.endswith("weight")}
    assert shapes == {
        "embed.0.weight": (64, 12), "embed.2.weight": (64, 64), "embed.4.weight": (12, 64),
        "convolutions.0.space.weight": (4, 12), "convolutions.0.propagate.weight": (22, 12),
        "convolutions.0.combine.weight": (64, 22),
        "classify.0.weight": (256, 64), "classify.2.weight": (256, 256), "classify.4.weight": (256, 256),
        "classify.6.weight": (6, 256),
        "regress.0.weight": (256, 12 + 6 + 64), "regress.2.weight": (256, 256), "regress.4.weight": (256, 256),
        "regress.6.weight": (6, 256),
    }  # fmt: skip
    (graph,) = (part for part in body.modules() if isinstance(part, Neighbours))
    assert graph.k == 15
    assert len(body.activations) == 1


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("training", [False, True])
def test_events_of_a_batch_do_not_see_each_other(preset: str, training: bool) -> None:
    network = _network(preset).train(training)
    elements = events(5, 1)["elements"].double()
    together = network(elements)
    for number, event in enumerate(elements):
        size = int((event[:, 0] > 0).sum())
        alone = network(event[None, :size])
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a[number, :size], b[0], rtol=0, atol=1e-12)
            assert (a[number, size:] == 0).all()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("size", [0, 1, 2, 7, 8, 9, 40])
def test_any_number_of_elements_works(preset: str, size: int) -> None:
    network = _network(preset)
    logits, momenta = network(events(2, 2)["elements"][1:, :size].double())
    assert logits.shape == momenta.shape == (1, size, 6)
    assert logits.isfinite().all()
    assert momenta.isfinite().all()


def test_an_event_of_nothing_but_padding_gives_zeros() -> None:
    for training in (False, True):
        outputs = _network().train(training)(torch.zeros(2, 4, 12, dtype=torch.float64))
        assert all(not values.any() for values in outputs)


def test_momenta_depend_on_the_neighbours_through_the_class_logits() -> None:
    network = _network("compact")
    elements = events(2, 3)["elements"][1:].double().requires_grad_()
    _, momenta = network(elements)
    momenta[0, 0].sum().backward()
    assert elements.grad is not None
    assert (elements.grad[0, 1:].abs().sum(1) > 0).sum() >= 7


def test_twenty_thousand_elements_work() -> None:
    elements = events(2, 4, longest=20_000)["elements"][1:]
    with torch.no_grad():
        logits, _ = _network("explained").float()(elements)
    assert logits.shape == (1, 20_000, 6)
    assert logits.isfinite().all()
