"""Measures and figures besides the usual ones: area, accuracy, rejections, calibration, ROC curve and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from fair_hep import figure, new_file
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
    "mass": "Mass of background jets, of all and of those with a score above the median of the signal: a network that "
    "learned the mass lets those through that look like signal, where no smooth background is left to fit"
}


def metrics(outputs: Arrays, targets: Arrays) -> Mapping[str, float]:
    """Return further metrics of the test split, each with its error."""
    logits = np.asarray(outputs["logits"], np.float64)
    highest = logits.max(1, keepdims=True)
    normalised = logits - highest - np.log(np.exp(logits - highest).sum(1, keepdims=True))
    losses = -normalised[np.arange(len(logits)), targets["label"]]
    return {"log_loss": float(losses.mean()), "log_loss_error": float(losses.std() / np.sqrt(len(losses)))}


def figures(outputs: Arrays, targets: Arrays, folder: Path) -> Sequence[str]:
    """Draw the mass of background jets before and after a cut; return the names of the files."""
    if "domain_jet_mass" not in targets:
        return ()
    mass, score = targets["domain_jet_mass"], outputs["logits"][:, -1] - outputs["logits"][:, :-1].mean(1)
    signal = targets["label"] == len(CLASSES) - 1
    passed = score >= np.median(score[signal])
    edges = np.linspace(float(np.quantile(mass, 0.001)), float(np.quantile(mass, 0.999)), 21)
    rows = {"background": ~signal, CLASSES[-1]: signal, "background that passes": ~signal & passed}
    with new_file(folder / "mass.png") as name, figure() as (picture, axes):
        for label, chosen in rows.items():
            counts, _ = np.histogram(mass[chosen], edges)
            share, error = counts / max(1, chosen.sum()), np.sqrt(counts) / max(1, chosen.sum())
            axes.errorbar((edges[1:] + edges[:-1]) / 2, share, error, fmt="o", label=f"{label} ({chosen.sum()})")
        axes.set(xlabel="Jet mass [GeV]", ylabel="Share of the jets", ylim=(0, None))
        axes.legend(loc="upper left")
        picture.savefig(name)
    return ("mass.png",)
