"""What the training lowers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fair_hep import Strict, validate

if TYPE_CHECKING:
    from fair_hep.models.contract import Batch
    from torch import Tensor

__all__ = ["LossOptions", "loss"]


class LossOptions(Strict):
    """What may be chosen about the loss, ``train.loss`` in a configuration: nothing, it is that of the paper."""


def loss(outputs: Sequence[Tensor], batch: Batch, **options: Any) -> Tensor:
    """Return the mean cross-entropy of a batch."""
    from torch.nn import functional

    validate(LossOptions, options, "train.loss")
    return functional.cross_entropy(outputs[0], batch["label"])
