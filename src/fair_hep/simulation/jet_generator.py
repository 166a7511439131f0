"""Jets from Pythia 8, a detector and FastJet, selected as the Top Quark Tagging reference set defines them.

The definition is that of the reference set (doi:10.5281/zenodo.2603256, arXiv:1902.09914): 14 TeV, no multi-parton
interactions, a detector with energy flow, the leading anti-kT jet of radius 0.8 with 550 < pT < 650 GeV and |eta| < 2;
a top jet holds the top quark and its three decay quarks within 0.8 of its axis. At particle level, the visible
particles with |eta| < 5 are clustered. Particles with c tau above 10 mm are stable.

FastJet is licensed under the GPL; it is imported here, when jets are made, and by nothing that uses a model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bundle.errors import DataError
from ..data.toptag import CONSTITUENTS, ORIGINS
from .ancestry import leading_splitting, origins, parents
from .jet_objects import Objects, energy_flow, visible
from .jet_options import SHOWERS, JetOptions
from .pythia import Charges, start
from .record import Record, distance

__all__ = ["SELECTION", "Jets", "generate", "settings"]

#: The selection in numbers; GeV where there is a unit.
SELECTION: dict[str, float] = {
    "radius": 0.8,
    "pt_min": 550.0,
    "pt_max": 650.0,
    "eta_max": 2.0,
    "particle_eta_max": 5.0,
    "match_distance": 0.8,
}

_COMMON = (
    "Print:quiet = on",
    "Beams:eCM = 14000.",
    "PartonLevel:MPI = off",
    "PhaseSpace:pTHatMin = 500.",
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 10.",
)
# The windows of the hard process are as wide as the jets' own window needs: wider ones give the same jets, slower.
_PROCESSES = {
    "top": (
        "Top:gg2ttbar = on",
        "Top:qqbar2ttbar = on",
        "PhaseSpace:pTHatMax = 750.",
        "24:onMode = off",
        "24:onIfAny = 1 2 3 4 5",
    ),
    "qcd": ("HardQCD:all = on", "PhaseSpace:pTHatMax = 800."),
}
_BATCH = 200


@dataclass(frozen=True)
class Jets:
    """Jets of one kind.

    Parameters
    ----------
    particles
        ``[jets, 200, 4]`` float32: E, px, py, pz in GeV, sorted by falling pT, zero-padded.
    truth
        Four-momentum of the matched top quark ``[jets, 4]`` float32; 0 for QCD.
    origin
        Where the constituents come from ``[jets, 200]`` int8, of `fair_hep.data.toptag.ORIGINS`; see `ancestry`.
    events
        Number of events that were generated for them.
    """

    particles: np.ndarray
    truth: np.ndarray
    origin: np.ndarray
    events: int


def settings(kind: str, shower: str = "default") -> list[str]:
    """Return what Pythia is told for ``"top"`` or ``"qcd"``, apart from the seed."""
    return [*_COMMON, *_PROCESSES[kind], *SHOWERS[shower]]


def generate(kind: str, count: int, seed: int, options: JetOptions | None = None) -> Jets:
    """Generate jets; the first n jets of a seed are the same for every ``count >= n``.

    Parameters
    ----------
    kind
        ``"top"`` or ``"qcd"``.
    count
        Number of jets.
    seed
        Seed of Pythia and of the detector, from 1 to 900,000,000.
    options
        Level, detector and shower.

    Raises
    ------
    DataError
        If Pythia can't be set up, or generates nothing.
    """
    options = options or JetOptions()
    pythia, random = start(settings(kind, options.shower), seed), np.random.default_rng(seed)
    charges = Charges(pythia)
    found, events, parts = 0, 0, [_nothing()]
    while found < count:
        batch = pythia.nextBatch(_BATCH)
        if len(batch) == 0:
            raise DataError(f"Pythia 8 generated no {kind} event out of {_BATCH}: see its messages above")
        record = Record.of(batch.prt)
        stable = np.flatnonzero(record.status > 0)
        particles, event, card = record.particles(stable, charges), record.event[stable], options.detector()
        if card is None:
            objects = visible(particles, event, SELECTION["particle_eta_max"])
        else:
            objects = energy_flow(particles, event, card, random)
        parts.append(_select(record, stable, objects, kind))
        found += len(parts[-1].particles)
        events += _BATCH
    return Jets(
        np.concatenate([part.particles for part in parts])[:count],
        np.concatenate([part.truth for part in parts])[:count],
        np.concatenate([part.origin for part in parts])[:count],
        events,
    )


def _nothing() -> Jets:
    shape = 0, CONSTITUENTS
    return Jets(np.empty((*shape, 4), np.float32), np.empty((0, 4), np.float32), np.empty(shape, np.int8), 0)


def _select(record: Record, stable: np.ndarray, objects: Objects, kind: str) -> Jets:
    """Cluster a batch of events; return the leading jets that pass."""
    axis, members = _leading(objects, len(record.starts) - 1)
    pt = np.hypot(axis[:, 1], axis[:, 2])
    eta = np.arcsinh(axis[:, 3] / np.maximum(pt, 1e-9))
    passed = (pt > SELECTION["pt_min"]) & (pt < SELECTION["pt_max"]) & (np.abs(eta) < SELECTION["eta_max"])
    truth = np.zeros_like(axis)
    if kind == "top":
        truth, quarks = _matched_tops(record, axis)
        passed &= truth[:, 0] > 0
        chosen = np.flatnonzero(passed)
        seeds, codes = quarks[chosen].ravel(), np.tile([ORIGINS["b"], ORIGINS["q"], ORIGINS["q'"]], len(chosen))
    else:
        chosen = np.flatnonzero(passed)
        seeds, codes = _sides(record, chosen, axis)
    origin = objects.origins(origins(record, seeds, codes)[stable])
    particles, origin = _padded(objects.momentum, origin, [members[number] for number in chosen])
    return Jets(particles, truth[chosen].astype(np.float32), origin, 0)


def _leading(objects: Objects, events: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the momentum of the leading jet of every event ``[events, 4]``, 0 if there is none, and its objects."""
    import awkward as ak
    import fastjet

    order = np.argsort(objects.event, kind="stable")
    columns = dict(zip(("E", "px", "py", "pz"), objects.momentum[order].T, strict=True))
    counts = np.bincount(objects.event, minlength=events)
    inputs = ak.unflatten(ak.zip(columns, with_name="Momentum4D"), counts)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, SELECTION["radius"])
    clusters = fastjet.ClusterSequence(inputs, definition)
    threshold = 0.5 * SELECTION["pt_min"]
    jets = clusters.inclusive_jets(min_pt=threshold)
    leading = ak.argmax(jets.px**2 + jets.py**2, axis=1, keepdims=True)
    first = ak.firsts(jets[leading])
    axis = np.stack([ak.to_numpy(ak.fill_none(first[name], 0.0)) for name in ("E", "px", "py", "pz")], 1)
    members = ak.fill_none(ak.firsts(clusters.constituent_index(min_pt=threshold)[leading]), [], axis=0)
    starts = np.cumsum(counts) - counts
    return axis, [order[np.asarray(some) + begin] for some, begin in zip(members, starts, strict=True)]


def _matched_tops(record: Record, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return per event the top that lies, with its three quarks, within the jet, and the positions of b, q and q'.

    The momentum is 0 where there is none.
    """
    result, quarks = np.zeros_like(axis), np.zeros((len(axis), 3), np.int64)
    for sign in (1, -1):
        top, w_boson = record.last(6 * sign), record.last(24 * sign)
        first, second = record.daughters[top].T
        # The daughter that isn't the W is the quark: nearly always a bottom.
        quark = np.where(record.pdg[first] == 24 * sign, second, first)
        of_w = record.daughters[w_boson]
        of_w = np.where(record.pdg[of_w[:, :1]] > 0, of_w, of_w[:, ::-1])
        three = np.concatenate([quark[:, None], of_w], 1)
        together = np.ones(len(axis), bool)
        for index in (top, *three.T):
            together &= distance(record.momentum[index], axis) < SELECTION["match_distance"]
        result = np.where(together[:, None], record.momentum[top], result)
        quarks = np.where(together[:, None], three, quarks)
    return result, quarks


def _sides(record: Record, chosen: np.ndarray, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return positions and codes of both sides of the leading splitting of the chosen events' jets."""
    parent = parents(record)
    found = [leading_splitting(record, event, parent, axis[event], SELECTION["radius"]) for event in chosen.tolist()]
    seeds = np.array([side for sides in found if sides for side in sides], np.int64)
    return seeds, np.tile([ORIGINS["first side"], ORIGINS["second side"]], len(seeds) // 2)


def _padded(momentum: np.ndarray, origin: np.ndarray, members: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the hardest 200 constituents of jets by falling pT, ``[jets, 200, 4]``, and where they come from."""
    particles = np.zeros((len(members), CONSTITUENTS, 4), np.float32)
    origins = np.zeros((len(members), CONSTITUENTS), np.int8)
    for jet, some in enumerate(members):
        order = np.argsort(-np.hypot(momentum[some, 1], momentum[some, 2]), kind="stable")[:CONSTITUENTS]
        particles[jet, : len(order)], origins[jet, : len(order)] = momentum[some[order]], origin[some[order]]
    return particles, origins
