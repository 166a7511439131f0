"""What the training lowers, and what the evaluation measures besides area, accuracy and rejections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from fair_hep.bundle.strict import Strict, validate
from pydantic import Field

if TYPE_CHECKING:
    from fair_hep.models.contract import Arrays, Batch
    from torch import Tensor

__all__ = ["EFFICIENCIES", "MEASURES", "LossOptions", "loss", "metrics"]

# Change 4 of 5: loss and metrics --------------------------------------------------------------------------------------
#: Signal efficiencies of the working points.
EFFICIENCIES = (0.3, 0.5, 0.7, 0.8, 0.9)
#: What the metrics below are, for the model card.
MEASURES = {
    "log_loss": "mean negative logarithm of the probability of the right class: lower is better, and calibrated"
}


class LossOptions(Strict):
    """What may be chosen about the loss: ``train.loss`` in a configuration."""

    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of a label that is spread over all classes")


def loss(outputs: Sequence[Tensor], batch: Batch, **options: Any) -> Tensor:
    """Return the mean cross-entropy of a batch."""
    from torch.nn import functional

    chosen = validate(LossOptions, options, "train.loss")
    return functional.cross_entropy(outputs[0], batch["label"], label_smoothing=chosen.label_smoothing)


def metrics(outputs: Arrays, targets: Arrays) -> Mapping[str, float]:
    """Return further metrics of the test split, each with its error."""
    logits = np.asarray(outputs["logits"], np.float64)
    highest = logits.max(1, keepdims=True)
    normalised = logits - highest - np.log(np.exp(logits - highest).sum(1, keepdims=True))
    losses = -normalised[np.arange(len(logits)), targets["label"]]
    return {"log_loss": float(losses.mean()), "log_loss_error": float(losses.std() / np.sqrt(len(losses)))}


# ----------------------------------------------------------------------------------------------------------------------
