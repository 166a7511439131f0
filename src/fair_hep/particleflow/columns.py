"""Columns and classes by name, in order: those of the MLPF data set, and those that a particle-flow network gives."""

from __future__ import annotations

import numpy as np

from ..data.delphes import TRACK

__all__ = ["CHARGED", "CLASSES", "ELEMENT", "KINDS", "MOMENTA", "OUTPUTS", "PARTICLE", "kinds_of"]

#: Columns of a detector element in the data set (DOI 10.5281/zenodo.4559324); a column may mean one thing for a track
#: and another for a tower.
ELEMENT = (
    "type", "pt_or_et", "eta", "sin_phi", "cos_phi", "p_or_energy", "eta_outer_or_ecal", "sin_phi_outer_or_hcal",
    "cos_phi_outer", "charge", "is_gen_muon", "is_gen_electron",
)  # fmt: skip
#: What an element is.
KINDS = ("track", "ECAL tower", "HCAL tower")
#: Columns of a particle in the data set.
PARTICLE = ("pid", "charge", "pt", "eta", "sin_phi", "cos_phi", "energy")
#: Classes by pid; "none" means that no particle belongs to the element.
CLASSES = ("none", "charged_hadron", "neutral_hadron", "photon", "electron", "muon")
#: The classes with a charge.
CHARGED = (1, 4, 5)
#: Columns of a network's momenta.
MOMENTA = ("charge", "log_pt", "eta", "sin_phi", "cos_phi", "log_energy")
#: What can be explained of an element: logits of the classes, then components of the momentum.
OUTPUTS = (*CLASSES, *MOMENTA)


def kinds_of(elements: np.ndarray) -> np.ndarray:
    """Return what elements ``[n, 12]`` are, as positions in `KINDS` ``[n]``; a tower's energy is mostly in one part."""
    ecal, hcal = (elements[:, ELEMENT.index(name)] for name in ("eta_outer_or_ecal", "sin_phi_outer_or_hcal"))
    return np.where(elements[:, 0] == TRACK, 0, np.where(ecal >= hcal, 1, 2)).astype(np.int8)
