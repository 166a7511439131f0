"""How the network is explained: which output, with which rules, and what the study draws besides the usual figures.

The rules are chosen in a configuration, by ``explain.composite``; null: `Model.composite`, epsilon by default. A
sum over constituents needs no rule of its own, so every composite can explain this network, and the study measures
which of them names the constituents that matter. A module without a rule gets one by ``fair_hep.lrp.register``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fair_hep import figure, new_file
from fair_hep.jets.momenta import four_momenta, gives_momenta
from fair_hep.study.case import Case, Study

from .inputs import CLASSES, COMPONENTS

__all__ = ["CAPTIONS", "Explanation", "target"]

#: What the figures below show, by file name without suffix, for the model card.
CAPTIONS = {
    "relevance_map": "Mean relevance of a jet's constituents around its axis, for every class: above 0 it speaks for "
    "the last class. Colours are linear up to a fiftieth of the largest value, then logarithmic"
}
#: Edges of the bins of that map.
EDGES = np.linspace(-0.8, 0.8, 21)


def target() -> Sequence[float]:
    """Explain the last class against the mean of the others: a single logit is defined only up to a common shift."""
    others = len(CLASSES) - 1
    return (*(-1.0 / others,) * others, 1.0)


class Explanation(Study):
    """The usual study of jets, and one figure more."""

    examples, elements = "jets", "constituents"

    def draw(self, case: Case, found: Mapping[str, Any], path: Path) -> None:
        """Draw the mean relevance of all explained jets of each class in the plane of (delta eta, delta phi)."""
        if not gives_momenta(COMPONENTS):  # such as (pt, eta, phi): there is no jet axis without a mass
            return
        from matplotlib.colors import SymLogNorm

        maps = mean_maps(path)
        reach = max(float(np.abs(maps).max()), 1e-9)
        # Linear up to a fiftieth, then logarithmic: the core of a jet would hide all around it.
        colours = {"cmap": "RdBu_r", "norm": SymLogNorm(reach / 50, vmin=-reach, vmax=reach)}
        with new_file(case.figure("relevance_map")) as name, figure(len(CLASSES)) as (picture, axes):
            panels = list(np.atleast_1d(axes))
            for panel, kind, values in zip(panels, CLASSES, maps, strict=True):
                image = panel.pcolormesh(EDGES, EDGES, values.T, **colours)
                panel.set(title=kind, xlabel=r"$\Delta\eta$", ylabel=r"$\Delta\phi$ [rad]", aspect="equal")
            picture.colorbar(image, ax=panels, label=f"Mean relevance for {case.explained}")
            picture.savefig(name)


def mean_maps(path: Path) -> np.ndarray:
    """Return the mean relevance of a jet around its axis ``[classes, 20, 20]``, from a file of relevances."""
    import torch
    from fair_hep import read_relevances
    from fair_hep.nets.kinematics import from_axis

    maps, counts = np.zeros((len(CLASSES), 20, 20)), np.zeros(len(CLASSES))
    for part in read_relevances(path):
        seen = from_axis(torch.from_numpy(four_momenta(part["element/input"], COMPONENTS)))
        relevance, label = part["element/relevance"].sum(-1), part["example/label"]
        for number in range(len(CLASSES)):
            chosen = seen.mask & torch.from_numpy(label == number)[:, None]
            eta, phi = seen.delta_eta[chosen].numpy(), seen.delta_phi[chosen].numpy()
            maps[number] += np.histogram2d(eta, phi, bins=[EDGES, EDGES], weights=relevance[chosen.numpy()])[0]
            counts[number] += (label == number).sum()
    return maps / np.maximum(counts, 1)[:, None, None]
