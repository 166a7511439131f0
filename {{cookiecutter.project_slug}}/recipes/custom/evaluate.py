"""Measures and figures besides the usual ones: area, accuracy, rejections, the ROC curve and the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from fair_hep import COLOURS, figure, new_file
from fair_hep.jets.observables import MASS_AND_TAU32

from .inputs import CLASSES

if TYPE_CHECKING:
    from fair_hep.models.contract import Arrays

__all__ = ["CAPTIONS", "EFFICIENCIES", "MEASURES", "OBSERVABLES", "figures", "metrics"]

#: Signal efficiencies of the working points.
EFFICIENCIES = (0.3, 0.5, 0.7, 0.8, 0.9)
#: What needs no network and is measured beside it: cuts on the jet's mass and on N-subjettiness; None: nothing.
OBSERVABLES = MASS_AND_TAU32
#: What the metrics below are, for the model card.
MEASURES = {
    "log_loss": "mean negative logarithm of the probability of the right class: lower is better, and calibrated"
}
#: What the figures below show, by file name without suffix, for the model card.
CAPTIONS = {
    "calibration": "Share of signal among test jets of like predicted probability: on the diagonal if calibrated"
}


def metrics(outputs: Arrays, targets: Arrays) -> Mapping[str, float]:
    """Return further metrics of the test split, each with its error."""
    logits = np.asarray(outputs["logits"], np.float64)
    highest = logits.max(1, keepdims=True)
    normalised = logits - highest - np.log(np.exp(logits - highest).sum(1, keepdims=True))
    losses = -normalised[np.arange(len(logits)), targets["label"]]
    return {"log_loss": float(losses.mean()), "log_loss_error": float(losses.std() / np.sqrt(len(losses)))}


def figures(outputs: Arrays, targets: Arrays, folder: Path) -> Sequence[str]:
    """Draw how far probabilities can be taken at their word; return the names of the files."""
    logits = np.asarray(outputs["logits"], np.float64)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    probability = powers[:, -1] / powers.sum(1)
    signal = targets["label"] == len(CLASSES) - 1
    place = np.minimum((probability * 10).astype(int), 9)
    with new_file(folder / "calibration.png") as name, figure() as (picture, axes):
        for number in np.unique(place):
            inside = place == number
            share, count = signal[inside].mean(), inside.sum()
            error = np.sqrt(max(share * (1 - share), 1 / count) / count)
            style = {"fmt": "o", "capsize": 3, "color": COLOURS["blue"]}
            axes.errorbar(probability[inside].mean(), share, yerr=error, **style)
        axes.plot([0, 1], [0, 1], linestyle=":", color=COLOURS["grey"])
        axes.set(xlim=(0, 1), ylim=(-0.05, 1.05))
        axes.set(xlabel=f"Predicted probability of {CLASSES[-1]}", ylabel=f"Share of {CLASSES[-1]} jets")
        picture.savefig(name)
    return ("calibration.png",)
