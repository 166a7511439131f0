"""Particles as plain columns, with what their rows leave open worked out."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

__all__ = ["Particles", "by_event", "learned", "read_rows"]

#: No detector reaches further; Delphes writes 999.9 where a direction isn't defined.
ETA_LARGEST = 10.0


@dataclass(frozen=True)
class Particles:
    """The particle of every element, columns ``[elements]``; pid 0: there is none.

    pT and energy in GeV; ``known`` says where direction and momentum mean something.
    """

    pid: np.ndarray
    charge: np.ndarray
    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    energy: np.ndarray
    known: np.ndarray

    def __getitem__(self, chosen: np.ndarray | slice) -> Particles:
        """Return some of the elements."""
        return Particles(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.pid)


def read_rows(rows: np.ndarray) -> Particles:
    """Read rows of the data set ``[elements, 7]``: pid, charge, pT, eta, sin phi, cos phi, E.

    A candidate has no pT if it is neutral and no energy if it is charged: the missing one follows from the other and
    eta, as if it had no mass.
    """
    rows = np.asarray(rows, np.float64)
    pid, charge, pt, eta, sin, cos, energy = rows.T
    some = (pid > 0) & (np.abs(eta) < ETA_LARGEST)
    cosh = np.cosh(np.where(some, eta, 0.0))
    filled_pt = np.where(pt > 0, pt, energy / cosh)
    filled_energy = np.where(energy > 0, energy, pt * cosh)
    known = some & (filled_pt > 0)
    zero = np.zeros_like(pt)
    return Particles(
        pid=pid.astype(np.int64),
        charge=np.where(pid > 0, charge, 0.0),
        pt=np.where(known, filled_pt, zero),
        eta=np.where(known, eta, zero),
        phi=np.where(known, np.arctan2(sin, cos), zero),
        energy=np.where(known, filled_energy, zero),
        known=known,
    )


def learned(logits: np.ndarray, momenta: np.ndarray) -> Particles:
    """Return the particles that a network's raw outputs stand for, ``[elements, 6]`` each."""
    import torch

    from .candidates import candidates

    rows = candidates(*(torch.from_numpy(np.ascontiguousarray(values)) for values in (logits, momenta)))
    return read_rows(rows.numpy())


def by_event(offsets: np.ndarray) -> np.ndarray:
    """Return the number of the event of every element."""
    counts: np.ndarray = np.diff(offsets)
    return np.repeat(np.arange(len(counts)), counts)
