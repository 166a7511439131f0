"""The layout of the MLPF data set (DOI 10.5281/zenodo.4559324): columns, codes, and files written in it.

A file ``.pkl.bz2`` is a pickle of a dict of three lists, compressed with bzip2: for every event ``X`` ``[n, 12]``,
``ygen`` ``[n, 7]`` and ``ycand`` ``[n, 7]``, float64. Row i of the three belongs to element i: what the detector saw,
the generated particle behind it, and what rule-based particle flow made of it. Tracks come first, then towers.
A row of zeros in ``ygen`` or ``ycand`` is no particle.
"""

from __future__ import annotations

import bz2
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..bundle.errors import DataError
from ..bundle.files import new_file

__all__ = ["Event", "write_events"]

#: Names of the lists in a file.
X, GEN, CAND = "X", "ygen", "ycand"
#: Columns of an element. Tower: 1, ET, eta, sin phi, cos phi, E, E in the ECAL, E in the HCAL, 0, 0, 0, 0.
#: Track: 2, pT, eta, sin phi, cos phi, p; eta, sin phi, cos phi at the outer radius; charge, is a muon, is an electron.
ELEMENT_WIDTH = 12
#: Columns of a particle: pid, charge, pT, eta, sin phi, cos phi, E.
PARTICLE_WIDTH = 7
TOWER, TRACK = 1, 2
NONE, CHARGED_HADRON, NEUTRAL_HADRON, PHOTON, ELECTRON, MUON = range(6)
#: Both spellings: the older record (DOI 10.5281/zenodo.4452283) is known with the second.
SUFFIXES = (".pkl.bz2", ".pkl.bzip2")
EVENTS_PER_FILE = 100


@dataclass(frozen=True)
class Event:
    """One event.

    Parameters
    ----------
    elements
        ``[n, 12]``: tracks, then towers.
    gen, cand
        ``[n, 7]``: the generated particle behind every element, and the rule-based candidate made from it.
    """

    elements: np.ndarray
    gen: np.ndarray
    cand: np.ndarray


def write_events(path: Path, events: Sequence[Event], *, level: int = 9) -> None:
    """Write events as a file of the data set, in one step; the same events give the same bytes.

    Parameters
    ----------
    path
        File to write.
    events
        At least one event.
    level
        Strength of the compression, 1 to 9.

    Raises
    ------
    DataError
        If there is no event.
    """
    if not events:
        raise DataError(f"{path.name}: got 0 events to write, expected at least 1")
    content = {
        X: [_by_columns(event.elements) for event in events],
        GEN: [_by_columns(event.gen) for event in events],
        CAND: [_by_columns(event.cand) for event in events],
    }
    with new_file(path) as temporary, bz2.open(temporary, "wb", compresslevel=level) as stream:
        pickle.dump(content, stream, protocol=4)


def _by_columns(rows: np.ndarray) -> np.ndarray:
    """Return the same numbers, column by column in memory: those of one kind beside each other compress better.

    Written into a new array, since numpy keeps small differences of the old one that a pickle shows.
    """
    columns = np.empty(rows.shape, np.float64, order="F")
    columns[:] = rows
    return columns
