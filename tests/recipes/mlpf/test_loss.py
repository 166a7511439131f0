"""The loss of MLPF against plain formulas, and classes that never occur."""

from __future__ import annotations

import pytest
import torch
from particle_flow.train import LossOptions, class_weights, loss
from torch import Tensor
from torch.nn import functional

from fair_hep.bundle.errors import ConfigError
from fair_hep.bundle.strict import validate
from fair_hep.particleflow.candidates import momenta_of
from fair_hep.particleflow.synthetic import events


def _batch(seed: int = 0) -> tuple[tuple[Tensor, Tensor], dict[str, Tensor]]:
    batch = {name: values.double() for name, values in events(5, seed).items()}
    generator = torch.Generator().manual_seed(seed)
    shape = (*batch["elements"].shape[:2], 6)
    logits, momenta = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    return (logits, momenta), batch


def _real(batch: dict[str, Tensor]) -> Tensor:
    return batch["elements"][..., 0] > 0


def test_classification_is_the_weighted_cross_entropy_of_torch() -> None:
    (logits, momenta), batch = _batch()
    real = _real(batch)
    label = batch["target"][..., 0].long()[real]
    count = torch.bincount(label, minlength=6).double()
    weight = torch.where(count > 0, count.rsqrt(), 0.0)
    expected = functional.cross_entropy(logits[real], label, weight)
    found = loss((logits, momenta), batch, LossOptions(momentum_weight=0))
    torch.testing.assert_close(found, expected)


def test_momentum_counts_known_values_of_particles_whose_class_is_right() -> None:
    (logits, momenta), batch = _batch()
    batch["target"] = batch["cand"]
    total, number = 0.0, 0
    wanted, known = momenta_of(batch["target"])
    for event, element in _real(batch).nonzero().tolist():
        pid = int(batch["target"][event, element, 0])
        if pid and int(logits[event, element].argmax()) == pid:
            chosen = known[event, element]
            total += float((momenta - wanted)[event, element][chosen].square().sum())
            number += int(chosen.sum())
    assert number > 20
    both = loss((logits, momenta), batch, LossOptions(momentum_weight=3))
    classes = loss((logits, momenta), batch, LossOptions(momentum_weight=0))
    assert float(both - classes) == pytest.approx(3 * total / number)


def test_focal_loss_without_focus_is_cross_entropy_and_focus_favours_what_is_wrong() -> None:
    outputs, batch = _batch()
    plain = loss(outputs, batch, LossOptions())
    torch.testing.assert_close(loss(outputs, batch, LossOptions(classification="focal", gamma=0)), plain)
    real = _real(batch)
    label = batch["target"][..., 0].long()[real]
    probability = torch.softmax(outputs[0][real], -1)[torch.arange(len(label)), label]
    weight = class_weights(label, LossOptions())[label]
    expected = (weight * (1 - probability).square() * -probability.log()).sum() / weight.sum()
    options = LossOptions(classification="focal", momentum_weight=0)
    torch.testing.assert_close(loss(outputs, batch, options), expected)


@pytest.mark.parametrize("classification", ["cross_entropy", "focal"])
@pytest.mark.parametrize("present", [(0,), (1,), (5,), (0, 3)])
def test_classes_that_never_occur_do_no_harm(present: tuple[int, ...], classification: str) -> None:
    outputs, batch = _batch()
    batch["target"][..., 0] = torch.tensor(present, dtype=torch.float64)[
        torch.arange(batch["target"].shape[1]) % len(present)
    ]
    logits, momenta = (values.requires_grad_() for values in outputs)
    value = loss((logits, momenta), batch, LossOptions(classification=classification))
    value.backward()
    assert value.isfinite()
    assert logits.grad is not None and logits.grad.isfinite().all()
    assert momenta.grad is not None and momenta.grad.isfinite().all()


def test_a_certain_answer_has_finite_gradients() -> None:
    (_, momenta), batch = _batch()
    logits = (1e4 * functional.one_hot(batch["target"][..., 0].long(), 6)).double().requires_grad_()
    for classification in ("cross_entropy", "focal"):
        options = LossOptions(classification=classification, gamma=0.5)
        (gradient,) = torch.autograd.grad(loss((logits, momenta), batch, options), logits)
        assert gradient.isfinite().all()


def test_padding_and_empty_events_do_not_count() -> None:
    outputs, batch = _batch()
    longer = {name: torch.cat([values, torch.zeros_like(values)], 1) for name, values in batch.items()}
    more = tuple(torch.cat([values, torch.ones_like(values)], 1) for values in outputs)
    torch.testing.assert_close(loss(more, longer, LossOptions()), loss(outputs, batch, LossOptions()))
    empty = {name: torch.zeros_like(values) for name, values in batch.items()}
    assert float(loss(outputs, empty, LossOptions())) == 0


def test_weights_are_those_asked_for() -> None:
    label = torch.tensor([0, 0, 0, 0, 1, 5])
    assert class_weights(label, LossOptions()).tolist() == pytest.approx([0.5, 1, 0, 0, 0, 1])
    assert class_weights(label, LossOptions(class_weights="equal")).tolist() == [1] * 6
    assert class_weights(label, LossOptions(class_weights=(1, 2, 3, 4, 5, 6))).tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"clasification": "focal"}, "did you mean"),
        ({"classification": "hinge"}, "classification"),
        ({"class_weights": [1, 2, 3]}, "class_weights"),
        ({"class_weights": [1, 2, 3, 4, 5, -6]}, "class_weights"),
        ({"momentum_weight": -1}, "momentum_weight"),
        ({"gamma": -1}, "gamma"),
    ],
)
def test_wrong_options_are_refused_by_name(options: dict[str, object], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        validate(LossOptions, options, "train.loss")
