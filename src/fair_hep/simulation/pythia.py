"""Pythia 8, set up by lines of settings, and the charges that it knows.

Pythia 8 (the extra ``simulate``) is licensed under the GPL; it is imported here, when something is generated, and by
nothing that uses a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from typing import Any

import numpy as np

from ..bundle.errors import DataError

__all__ = ["Charges", "start"]


def start(lines: Sequence[str], seed: int) -> Any:
    """Set up Pythia.

    Parameters
    ----------
    lines
        Settings in Pythia's own words.
    seed
        Pythia's seed, from 1 to 900,000,000.

    Raises
    ------
    DataError
        If Pythia refuses a setting, or doesn't start.
    """
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    for line in [*lines, "Random:setSeed = on", f"Random:seed = {seed}"]:
        if not pythia.readString(line):
            version = metadata.version("pythia8mc")
            raise DataError(f"Pythia 8 refuses the setting {line!r}: got version {version}, expected 8.3")
    if not pythia.init():
        raise DataError("Pythia 8 doesn't start: see its messages above")
    return pythia


class Charges:
    """Charges of particles by their PDG codes, looked up once."""

    def __init__(self, pythia: Any) -> None:
        self._pythia = pythia
        self._known: dict[int, float] = {}

    def __call__(self, pdg: np.ndarray) -> np.ndarray:
        """Return charges ``[n]`` in units of the positron's."""
        codes, inverse = np.unique(pdg, return_inverse=True)
        for code in codes.tolist():
            if code not in self._known:
                self._known[code] = float(self._pythia.particleData.charge(code))
        return np.array([self._known[code] for code in codes.tolist()])[inverse]
