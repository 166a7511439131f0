"""Which parton every particle comes from, in the generator's own record, by a rule that is stated.

A shower and the decays of hadrons make a tree: every entry has one mother. Where Pythia names two (Vincia's gluons come
from a pair of partons), the nearer counts. Strings are no tree: they join partons of different ancestors, and
a hadron comes from the whole string. Here it comes from the string's nearest parton in Delta R, and is ambiguous if
a parton of another ancestor is less than `AMBIGUOUS` times as far.

For a top, the ancestors are its three decay quarks. For QCD, they are the two sides of the leading splitting: from the
hard parton that is nearest to the jet's axis, along the branch of higher pT, the splitting with the largest
kT = min(pT) Delta R whose sides both lie within the jet's radius. What the hard parton radiates before is on no side.
"""

from __future__ import annotations

import numpy as np

from ..data.toptag import ORIGINS
from .record import Record, distance

__all__ = ["AMBIGUOUS", "RULES", "leading_splitting", "origins", "parents"]

#: A hadron is ambiguous if a parton of another ancestor is less than this many times as far as the nearest.
AMBIGUOUS = 2.0
#: What `ORIGINS` are, in words, for provenance.
RULES = {
    "hadron": f"nearest parton of its string in Delta R; shared if one of another origin is < {AMBIGUOUS} times as far",
    "top": "decay quark from which that parton descends: b, and the quark (q) and antiquark (q') of the W",
    "qcd": "side of the leading splitting: largest min(pT) Delta R on the harder branch of the hard parton, in the jet",
    "constituent": "the origin that gave most of its energy",
}
_PARTONS = (1, 2, 3, 4, 5, 6, 21, 22)


def parents(record: Record) -> np.ndarray:
    """Return the one mother of every entry ``[n]``: itself where there is none, and for hadrons of a string."""
    first, second = record.mothers.T
    start = record.starts[record.event]
    here = np.arange(len(record))
    parent = np.where((first > start) & ~_of_a_string(record), first, here)
    two = np.flatnonzero((second > start) & (second != first) & ~_of_a_string(record))
    near = [distance(record.momentum[two], record.momentum[each[two]]) for each in (first, second)]
    parent[two] = np.where(near[1] < near[0], second[two], first[two])
    return parent


def origins(record: Record, seeds: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return where every entry comes from, one of `ORIGINS`, ``[n]`` int8.

    Parameters
    ----------
    record
        Some events.
    seeds
        Positions of the partons that are the ancestors.
    codes
        What comes from them is called, one of `ORIGINS` each.
    """
    parent, given = parents(record), np.zeros(len(record), np.int8)
    parent[seeds], given[seeds] = seeds, codes
    hadrons = np.flatnonzero(_of_a_string(record))
    given[hadrons] = _nearest(record, hadrons, given[_roots(parent)])
    return given[_roots(parent)]


def leading_splitting(
    record: Record, event: int, parent: np.ndarray, axis: np.ndarray, radius: float
) -> tuple[int, int] | None:
    """Return the positions of the harder and the softer side of the leading splitting in a jet; None: there is none.

    Parameters
    ----------
    record
        Some events.
    event
        Which of them.
    parent
        The mothers of all entries, from `parents`.
    axis
        Four-momentum of the jet ``[4]``.
    radius
        How far from the axis both sides may be.
    """
    start, stop = record.starts[event : event + 2]
    momentum, status = record.momentum[start:stop], np.abs(record.status[start:stop])
    parton = np.isin(np.abs(record.pdg[start:stop]), _PARTONS) & (status < 80)
    mother = np.where(parton, parent[start:stop] - start, -1)
    mother[mother == np.arange(stop - start)] = -1
    pt, away = np.hypot(momentum[:, 1], momentum[:, 2]), distance(momentum, axis[None])
    hard = np.flatnonzero(status == 23)
    node, best, found = int(hard[away[hard].argmin()]), 0.0, None
    while len(children := np.flatnonzero(mother == node)):
        children = children[np.argsort(-pt[children], kind="stable")]
        if len(children) > 1:
            harder, softer = children[:2]
            kt = pt[softer] * distance(momentum[[harder]], momentum[[softer]])[0]
            if kt > best and max(away[harder], away[softer]) < radius:
                best, found = kt, (int(harder + start), int(softer + start))
        node = int(children[0])
    return found


def _of_a_string(record: Record) -> np.ndarray:
    """Return which entries ``[n]`` are hadrons that a string of several partons made."""
    status = np.abs(record.status)
    first, second = record.mothers.T
    result: np.ndarray = (status > 80) & (status < 90) & (second > first) & (first > record.starts[record.event])
    return result


def _roots(parent: np.ndarray) -> np.ndarray:
    """Return the first ancestor of every entry: follow the mothers, twice as far in every step.

    Entries of the initial state may be each other's mothers; nothing that is asked for comes from there.
    """
    for _ in range(len(parent).bit_length()):
        parent = parent[parent]
    return parent


def _nearest(record: Record, hadrons: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Return the code of the nearest parton of each hadron's string; ``shared`` where another one is nearly as near."""
    if len(hadrons) == 0:
        return np.zeros(0, np.int8)
    first, second = record.mothers[hadrons].T
    size = second - first + 1
    starts = np.cumsum(size) - size
    hadron = np.repeat(np.arange(len(hadrons)), size)
    parton = np.arange(size.sum()) - starts[hadron] + first[hadron]
    away = distance(record.momentum[hadrons][hadron], record.momentum[parton])
    nearest = np.minimum.reduceat(away, starts)
    at = np.full(len(hadrons), len(parton))
    np.minimum.at(at, hadron, np.where(away == nearest[hadron], np.arange(len(parton)), len(parton)))
    chosen = code[parton[at]]
    other = np.minimum.reduceat(np.where(code[parton] != chosen[hadron], away, np.inf), starts)
    return np.where(other < AMBIGUOUS * nearest, np.int8(ORIGINS["shared"]), chosen).astype(np.int8)
