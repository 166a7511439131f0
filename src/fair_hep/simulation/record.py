"""Pythia's event record as flat arrays: all entries of some events, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bundle.quantities import difference_in_phi
from ..detector.particles import Particles
from .pythia import Charges

__all__ = ["Record", "distance"]


@dataclass(frozen=True)
class Record:
    """Entries of some events.

    Parameters
    ----------
    pdg, status
        PDG and status codes ``[n]``; a status above 0 marks what is left in the end.
    mothers, daughters
        Positions in these arrays of the first and the second mother or daughter ``[n, 2]``. As Pythia has it, no mother
        is the event's entry 0, which stands for the whole event.
    momentum
        E, px, py, pz in GeV ``[n, 4]``.
    vertex
        Where it is made: x, y, z in metres ``[n, 3]``.
    starts
        Position of each event's entry 0, and the end ``[events + 1]``.
    """

    pdg: np.ndarray
    status: np.ndarray
    mothers: np.ndarray
    daughters: np.ndarray
    momentum: np.ndarray
    vertex: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, events: Any) -> Record:
        """Take over what Pythia's ``nextBatch`` gave, its field ``prt``."""
        import awkward as ak

        counts = ak.to_numpy(ak.num(events))
        starts = np.concatenate([[0], np.cumsum(counts)])
        flat = ak.flatten(events)
        shift = np.repeat(starts[:-1], counts)
        momentum = flat.p
        columns = (momentum.e, momentum.px, momentum.py, momentum.pz)
        # Pythia gives no place to what is made where the beams meet.
        made = [ak.fill_none(column, 0.0) for column in (flat.vProd.px, flat.vProd.py, flat.vProd.pz)]
        return cls(
            np.asarray(ak.to_numpy(flat.id)).astype(np.int64),
            np.asarray(ak.to_numpy(flat.status)).astype(np.int64),
            np.stack([ak.to_numpy(flat.mother1) + shift, ak.to_numpy(flat.mother2) + shift], 1),
            np.stack([ak.to_numpy(flat.daughter1) + shift, ak.to_numpy(flat.daughter2) + shift], 1),
            np.stack([ak.to_numpy(column) for column in columns], 1),
            1e-3 * np.stack([ak.to_numpy(column) for column in made], 1),
            starts,
        )

    def __len__(self) -> int:
        return len(self.pdg)

    @property
    def event(self) -> np.ndarray:
        """Event of every entry ``[n]``."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def last(self, pdg: int) -> np.ndarray:
        """Return per event the position of the last copy of a particle, the one that decays; entry 0: there is none.

        Entry 0 lies along the beam, so never in a jet.
        """
        # A particle that only radiates is its own daughter: the first one, or after its gluon.
        copied = (self.pdg[self.daughters] == pdg).any(1)
        decays = np.flatnonzero((self.pdg == pdg) & (self.status < 0) & ~copied)
        result = self.starts[:-1].copy()
        # Backwards, so that the first of several is what stays.
        result[self.event[decays[::-1]]] = decays[::-1]
        return result

    def particles(self, chosen: np.ndarray, charges: Charges) -> Particles:
        """Return some entries as particles for a detector."""
        pdg, momentum = self.pdg[chosen], self.momentum[chosen]
        return Particles(pdg, charges(pdg), momentum[:, 1:], momentum[:, 0], self.vertex[chosen])


def distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return Delta R ``[n]`` between momenta ``[n, 4]``, in pseudorapidity and azimuth."""
    eta = [np.arcsinh(p[:, 3] / np.maximum(np.hypot(p[:, 1], p[:, 2]), 1e-9)) for p in (one, other)]
    phi = difference_in_phi(*(np.arctan2(p[:, 2], p[:, 1]) for p in (one, other)))
    result: np.ndarray = np.hypot(eta[0] - eta[1], phi)
    return result
