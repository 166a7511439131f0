"""What MLPF learns from: the class of every element, and the momentum where the class is right already.

The form is that of arXiv:2111.12840: cross-entropy with class weights 1 / sqrt(count), counted in the batch, plus the
mean squared error of the momentum over the elements that have a particle and whose class is right. The published
error counts squared GeV and is weighted by 2e-4; here it counts squared logarithms of pT and E, so its weight is 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import torch
from fair_hep import Strict
from fair_hep.particleflow.columns import CLASSES
from fair_hep.particleflow.corrections import momentum_loss
from pydantic import Field
from torch import Tensor

__all__ = ["LossOptions", "class_weights", "loss"]

_Weights = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=6, max_length=6)]


class LossOptions(Strict):
    """Choices of the loss: ``train.loss`` in a configuration."""

    classification: Literal["cross_entropy", "focal"] = Field("cross_entropy", description="loss of the class")
    gamma: float = Field(2.0, ge=0, description="focal: how much elements that are right already count less")
    class_weights: Literal["batch", "equal"] | _Weights = Field(
        "batch", description="batch: 1 / sqrt(count of the class in the batch); equal; or six numbers"
    )
    momentum_weight: float = Field(1.0, ge=0, description="weight of the momenta beside the class")
    momentum_errors: Literal["logarithms", "resolution"] = Field(
        "logarithms",
        description="logarithms of pT and E, and directions; or in units of the resolution, rare classes counted more",
    )


def loss(outputs: Sequence[Tensor], batch: Mapping[str, Tensor], options: LossOptions) -> Tensor:
    """Return the loss of a batch.

    Parameters
    ----------
    outputs
        Logits and momenta, ``[events, elements, 6]`` each.
    batch
        ``elements`` ``[events, elements, 12]`` and ``target`` ``[events, elements, 7]``; padding doesn't count.
    options
        Choices.
    """
    real = batch["elements"][..., 0] > 0
    logits, momenta, target, elements = (values[real] for values in (*outputs, batch["target"], batch["elements"]))
    label = target[:, 0].long()
    resolution = options.momentum_errors == "resolution"
    momentum = momentum_loss(logits, momenta, target, elements, resolution=resolution)
    return _classification(logits, label, options) + options.momentum_weight * momentum


def class_weights(label: Tensor, options: LossOptions) -> Tensor:
    """Return the weight of every class ``[6]``; a class that doesn't occur has weight 0, so that it harms nothing."""
    count = torch.bincount(label, minlength=len(CLASSES)).double()
    if options.class_weights == "batch":
        return torch.where(count > 0, count.clamp(min=1).rsqrt(), 0.0)
    if options.class_weights == "equal":
        return torch.ones_like(count)
    return count.new_tensor(options.class_weights)


def _classification(logits: Tensor, label: Tensor, options: LossOptions) -> Tensor:
    """Return the weighted mean over elements, 0 without elements.

    The focal loss is that of Lin et al., arXiv:1708.02002, for exclusive classes: ``(1 - p)^gamma`` times the
    cross-entropy, p the probability of the true class. Later MLPF versions use it with gamma = 2.
    """
    logarithm = torch.log_softmax(logits, -1).gather(1, label[:, None])[:, 0]
    each = -logarithm
    if options.classification == "focal":
        # The floor keeps the gradient finite where an answer is certain and gamma is below 1.
        each = (-torch.expm1(logarithm)).clamp(min=1e-12).pow(options.gamma) * each
    weight = class_weights(label, options).to(logits)[label]
    return (weight * each).sum() / weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)
