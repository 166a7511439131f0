"""What tells top jets from QCD jets without a network: the jet's mass, and N-subjettiness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..tagging.baselines import Observable, Observables
from .momenta import four_momenta, gives_momenta
from .nsubjettiness import tau

__all__ = ["MASS_AND_TAU32", "mass_and_tau32"]


def mass_and_tau32(values: np.ndarray, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Return "mass" in GeV and "tau32" ``[jets]`` of jets ``[jets, constituents, columns]``, zero-padded.

    tau32 is tau_3 / tau_2 (`fair_hep.jets.nsubjettiness`). It is 1 where tau_2 is 0, as for QCD: a jet of at most two
    constituents has no three prongs.
    """
    momenta = four_momenta(np.asarray(values, np.float64), columns)
    energy, *momentum = np.moveaxis(momenta.sum(1), -1, 0)
    mass = np.sqrt(np.maximum(energy**2 - sum(part**2 for part in momentum), 0.0))
    two, three = (tau(momenta, number) for number in (2, 3))
    some = two > 0
    return {"mass": mass, "tau32": np.divide(three, two, out=np.ones(len(two)), where=some)}


#: What `Classifier.observables` may be for jets of boosted tops.
MASS_AND_TAU32 = Observables(
    (Observable("mass", "jet mass", "GeV", "peak"), Observable("tau32", "tau32", "", "low")),
    mass_and_tau32,
    gives_momenta,
)
