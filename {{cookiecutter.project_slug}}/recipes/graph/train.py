"""What the training lowers, and what may be chosen about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fair_hep import Strict, validate
from pydantic import Field

if TYPE_CHECKING:
    from fair_hep.models.contract import Batch
    from torch import Tensor

__all__ = ["LossOptions", "loss"]


class LossOptions(Strict):
    """What may be chosen about the loss: ``train.loss`` in a configuration."""

    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of a label that is spread over all classes")


def loss(outputs: Sequence[Tensor], batch: Batch, **options: Any) -> Tensor:
    """Return the mean cross-entropy of a batch."""
    from torch.nn import functional

    chosen = validate(LossOptions, options, "train.loss")
    return functional.cross_entropy(outputs[0], batch["label"], label_smoothing=chosen.label_smoothing)
