"""Proton collisions from Pythia 8: ttbar or QCD at 14 TeV, with a Poisson number of pile-up interactions.

The tune is that of the MLPF data set, and so are the processes but for ``hard_qcd``: Pythia's A14 parameters with the
parton densities NNPDF2.3 LO, particles with c tau above 10 mm stable (K0S and Lambda reach the detector), minimum bias
of non-diffractive, single- and double-diffractive interactions. Vertices lie along the beam as in Delphes' cards.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..bundle.errors import DataError
from ..detector.particles import Particles
from .pythia import Charges, start

__all__ = ["PROCESSES", "VERTEX", "Collider", "settings"]

_COMMON = (
    "Print:quiet = on",
    "Beams:eCM = 14000.",
    "PDF:pSet = 13",
    "Tune:ee = 7",
    "Tune:pp = 14",
    "SpaceShower:rapidityOrder = on",
    "SigmaProcess:alphaSvalue = 0.140",
    "SpaceShower:pT0Ref = 1.56",
    "SpaceShower:pTmaxFudge = 0.91",
    "SpaceShower:pTdampFudge = 1.05",
    "SpaceShower:alphaSvalue = 0.127",
    "TimeShower:alphaSvalue = 0.127",
    "BeamRemnants:primordialKThard = 1.88",
    "MultipartonInteractions:pT0Ref = 2.09",
    "MultipartonInteractions:alphaSvalue = 0.126",
    "ColourReconnection:range = 1.71",
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 10.",
)
#: What Pythia is told for every process.
PROCESSES = {
    "ttbar": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", "6:m0 = 172.5"),
    "qcd": ("HardQCD:all = on", "PhaseSpace:pTHatMin = 20."),
    # Ours, for a small sample: jets of 100 GeV have neutral hadrons where there are tracks, those of 20 GeV hardly any.
    "hard_qcd": ("HardQCD:all = on", "PhaseSpace:pTHatMin = 100."),
    "minimum_bias": ("SoftQCD:nonDiffractive = on", "SoftQCD:singleDiffractive = on", "SoftQCD:doubleDiffractive = on"),
}
#: Spread of the vertices along the beam (a normal distribution), and where it is cut off; metres.
VERTEX = {"sigma": 0.053, "limit": 0.25}
# Interactions that Pythia makes in one call: few enough to fit into some megabytes.
_BATCH = 100


def settings(process: str) -> list[str]:
    """Return what Pythia is told for a process, apart from the seed."""
    return [*_COMMON, *PROCESSES[process]]


class Collider:
    """Makes events of one process with pile-up. Seed it before use: the Pythia behind it is shared.

    Parameters
    ----------
    process
        One of `PROCESSES`.
    pileup
        Mean number of pile-up interactions; 0 gives none.

    Raises
    ------
    DataError
        If Pythia can't be set up.
    """

    def __init__(self, process: str, pileup: float) -> None:
        self.process = process
        self.pileup = pileup
        self._hard = _pythia(process)
        self._soft = _pythia("minimum_bias") if pileup else None
        self._charge = Charges(self._hard)

    def seed(self, hard: int, soft: int) -> None:
        """Start again: what is made from here on follows from the two seeds (0 to 2^32 - 1) alone."""
        for pythia, seed in ((self._hard, hard), (self._soft, soft)):
            if pythia is not None:
                # Pythia takes seeds from 1 to 900,000,000.
                pythia.rndm.init(1 + seed % 900_000_000)

    def event(self, random: np.random.Generator) -> Particles:
        """Return the stable particles of the next event; ``random`` places the vertices and counts the pile-up.

        Raises
        ------
        DataError
            If Pythia makes nothing.
        """
        parts = self._interactions(self._hard, 1, random)
        if self._soft is not None:
            parts.extend(self._interactions(self._soft, int(random.poisson(self.pileup)), random))
        return Particles.joined(parts)

    def _interactions(self, pythia: Any, count: int, random: np.random.Generator) -> list[Particles]:
        parts, made, tries = [], 0, 0
        while made < count:
            batch = pythia.nextBatch(min(_BATCH, count - made))
            # Pythia leaves out the rare interaction that it can't finish.
            made, tries = made + len(batch), tries + 1
            if tries > 10 + count:
                raise DataError(f"Pythia 8 generates no {self.process} event: see its messages above")
            if len(batch):
                parts.append(self._stable(batch.prt, random))
        return parts

    def _stable(self, record: Any, random: np.random.Generator) -> Particles:
        """Return the stable particles of some interactions, each with a vertex of its own along the beam."""
        import awkward as ak

        counts = ak.to_numpy(ak.num(record))
        flat = ak.flatten(record)
        keep = ak.to_numpy(flat.status) > 0
        shift = np.repeat(_along_beam(len(counts), random), counts)[keep]
        momentum, made = flat.p, flat.vProd
        columns = [ak.to_numpy(values)[keep] for values in (momentum.px, momentum.py, momentum.pz)]
        # Pythia gives no place of production for what is made where the protons meet: that is the origin.
        vertex = [1e-3 * ak.to_numpy(ak.fill_none(values, 0.0))[keep] for values in (made.px, made.py, made.pz)]
        vertex[2] = vertex[2] + shift
        pdg = ak.to_numpy(flat.id)[keep].astype(np.int64)
        energy = ak.to_numpy(momentum.e)[keep]
        return Particles(pdg, self._charge(pdg), np.stack(columns, 1), energy, np.stack(vertex, 1))


def _along_beam(count: int, random: np.random.Generator) -> np.ndarray:
    """Return positions of vertices ``[count]`` in metres."""
    position = random.normal(0.0, VERTEX["sigma"], count)
    # Five sigma: to move the few outside to the edge changes nothing that could be seen.
    return np.clip(position, -VERTEX["limit"], VERTEX["limit"])


@functools.cache
def _pythia(process: str) -> Any:
    """Set up Pythia, once in a program: minimum bias takes seconds."""
    # A fixed seed, so that its preparations are the same in every process.
    return start(settings(process), 1)
