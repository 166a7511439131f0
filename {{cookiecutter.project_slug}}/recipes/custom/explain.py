"""How the network is explained: which output, with which rules, and what the study draws besides the usual figures.

The rules are chosen in a configuration, by ``explain.composite``: epsilon, the plainest, unless it says otherwise. A
sum over constituents needs no rule of its own, so every composite can explain this network, and the study measures
which of them names the constituents that matter. A module without a rule gets one by ``fair_hep.lrp.register``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fair_hep import Model, figure, new_file, read_relevances

from .inputs import CLASSES, COMPONENTS

if TYPE_CHECKING:
    from fair_hep.provenance.configuration import Config
    from torch import nn

__all__ = ["CAPTIONS", "study", "target"]

#: What the figures below show, by file name without suffix, for the model card.
CAPTIONS = {"relevance_map": "Mean relevance of a jet's constituents around its axis, for every class"}


def target() -> Sequence[float]:
    """Explain the last class against the mean of the others: a single logit is defined only up to a common shift."""
    others = len(CLASSES) - 1
    return (*(-1.0 / others,) * others, 1.0)


def study(
    model: Model, network: nn.Module, datasets: Mapping[str, Any], config: Config, folder: Path
) -> Mapping[str, Any]:
    """Do the usual study, and draw one figure more; return what was found, as JSON values."""
    from fair_hep.study.study import study as usual

    found = usual(model, network, datasets, config, folder)
    draw(folder, config.explain.options.get("format", "png"))
    return found


def draw(folder: Path, suffix: str) -> None:
    """Draw the mean relevance of all explained jets of each class in the plane of (delta eta, delta phi)."""
    import torch
    from fair_hep.nets.kinematics import from_axis
    from fair_hep.study.relevances import FILE

    momenta = [COMPONENTS.index(name) for name in ("E", "px", "py", "pz")]
    maps, counts, edges = np.zeros((len(CLASSES), 20, 20)), np.zeros(len(CLASSES)), np.linspace(-0.8, 0.8, 21)
    for part in read_relevances(folder / FILE):
        seen = from_axis(torch.from_numpy(part["element/input"][..., momenta]))
        relevance, label = part["element/relevance"].sum(-1), part["example/label"]
        for number in range(len(CLASSES)):
            chosen = seen.mask & torch.from_numpy(label == number)[:, None]
            eta, phi = seen.delta_eta[chosen].numpy(), seen.delta_phi[chosen].numpy()
            maps[number] += np.histogram2d(eta, phi, bins=[edges, edges], weights=relevance[chosen.numpy()])[0]
            counts[number] += (label == number).sum()
    maps /= np.maximum(counts, 1)[:, None, None]
    reach = max(float(np.abs(maps).max()), 1e-9)
    with new_file(folder / f"relevance_map.{suffix}") as name, figure(len(CLASSES)) as (picture, axes):
        for panel, kind, values in zip(np.atleast_1d(axes), CLASSES, maps, strict=True):
            image = panel.pcolormesh(edges, edges, values.T, cmap="RdBu_r", vmin=-reach, vmax=reach)
            panel.set(title=kind, xlabel=r"$\Delta\eta$", ylabel=r"$\Delta\phi$ [rad]", aspect="equal")
        picture.colorbar(image, ax=list(np.atleast_1d(axes)), label="Mean relevance of a jet")
        picture.savefig(name)
