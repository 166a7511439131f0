"""Jets from Pythia 8 and FastJet, selected as the Top Quark Tagging reference set defines them; particle level.

The definition is that of the reference set (doi:10.5281/zenodo.2603256, arXiv:1902.09914) without its detector:
14 TeV, no multi-parton interactions, the leading anti-kT jet of radius 0.8 with 550 < pT < 650 GeV and |eta| < 2;
a top jet holds the top quark and its three decay quarks within 0.8 of its axis. Clustered are the visible particles
with |eta| < 5.

Pythia 8 (the extra ``simulate``) and FastJet are licensed under the GPL; they are imported here, when jets are
made, and by nothing that uses a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from ..bundle.errors import DataError
from ..data.toptag import CONSTITUENTS

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
_NEUTRINOS = (12, 14, 16)


@dataclass(frozen=True)
class Jets:
    """Jets of one kind.

    Parameters
    ----------
    particles
        ``[jets, 200, 4]`` float32: E, px, py, pz in GeV, sorted by falling pT, zero-padded.
    truth
        Four-momentum of the matched top quark ``[jets, 4]`` float32; 0 for QCD.
    events
        Number of events that were generated for them.
    """

    particles: np.ndarray
    truth: np.ndarray
    events: int


def settings(kind: str) -> list[str]:
    """Return what Pythia is told for ``"top"`` or ``"qcd"``, apart from the seed."""
    return [*_COMMON, *_PROCESSES[kind]]


def generate(kind: str, count: int, seed: int) -> Jets:
    """Generate jets; the first n jets of a seed are the same for every ``count >= n``.

    Parameters
    ----------
    kind
        ``"top"`` or ``"qcd"``.
    count
        Number of jets.
    seed
        Pythia's seed, from 1 to 900,000,000.

    Raises
    ------
    DataError
        If Pythia can't be set up, or generates nothing.
    """
    pythia = _pythia(kind, seed)
    particles, truth = [np.empty((0, CONSTITUENTS, 4), np.float32)], [np.empty((0, 4), np.float32)]
    found = events = 0
    while found < count:
        batch = pythia.nextBatch(_BATCH)
        if len(batch) == 0:
            raise DataError(f"Pythia 8 generated no {kind} event out of {_BATCH}: see its messages above")
        some, parents = _select(batch.prt, kind)
        particles.append(some)
        truth.append(parents)
        found += len(some)
        events += _BATCH
    return Jets(np.concatenate(particles)[:count], np.concatenate(truth)[:count], events)


def _pythia(kind: str, seed: int) -> Any:
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    for line in [*settings(kind), "Random:setSeed = on", f"Random:seed = {seed}"]:
        if not pythia.readString(line):
            version = metadata.version("pythia8mc")
            raise DataError(f"Pythia 8 refuses the setting {line!r}: got version {version}, expected 8.3")
    if not pythia.init():
        raise DataError("Pythia 8 doesn't start: see its messages above")
    return pythia


def _select(particles: Any, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Cluster a batch of events; return the leading jets that pass, and their tops."""
    import awkward as ak
    import fastjet

    visible = _visible(particles)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, SELECTION["radius"])
    clusters = fastjet.ClusterSequence(visible, definition)
    threshold = 0.5 * SELECTION["pt_min"]
    jets = clusters.inclusive_jets(min_pt=threshold)
    leading = ak.argmax(jets.px**2 + jets.py**2, axis=1, keepdims=True)
    axis = _momenta(ak.firsts(jets[leading]))
    members = ak.firsts(clusters.constituent_index(min_pt=threshold)[leading])
    pt, eta = _pt(axis), _eta(axis)
    passed = (pt > SELECTION["pt_min"]) & (pt < SELECTION["pt_max"]) & (np.abs(eta) < SELECTION["eta_max"])
    truth = np.zeros_like(axis)
    if kind == "top":
        truth = _matched_tops(particles, axis)
        passed &= truth[:, 0] > 0
    chosen = np.flatnonzero(passed)
    return _padded(visible[chosen][members[chosen]]), truth[chosen].astype(np.float32)


def _visible(particles: Any) -> Any:
    import awkward as ak

    momentum = particles.p
    keep = particles.status > 0
    for neutrino in _NEUTRINOS:
        keep = keep & (np.abs(particles.id) != neutrino)
    keep = keep & (np.abs(momentum.pz) < np.sinh(SELECTION["particle_eta_max"]) * np.hypot(momentum.px, momentum.py))
    momentum = momentum[keep]
    fields = {"px": momentum.px, "py": momentum.py, "pz": momentum.pz, "E": momentum.e}
    return ak.zip(fields, with_name="Momentum4D")


def _matched_tops(particles: Any, axis: np.ndarray) -> np.ndarray:
    """Return per event the top that lies, with its three quarks, within the jet; 0 where there is none."""
    result = np.zeros_like(axis)
    for sign in (1, -1):
        top = _last(particles, 6 * sign)
        w_boson = _last(particles, 24 * sign)
        first, second = _daughters(particles, top)
        # The daughter that isn't the W is the quark: nearly always a bottom.
        quark = np.where(_of(particles.id, first) == 24 * sign, second, first)
        together = np.ones(len(axis), bool)
        for index in (top, quark, *_daughters(particles, w_boson)):
            momentum = _momenta(_entry(particles.p, index))
            together &= _distance(momentum, axis) < SELECTION["match_distance"]
        momentum = _momenta(_entry(particles.p, top))
        result = np.where(together[:, None], momentum, result)
    return result


def _last(particles: Any, identity: int) -> np.ndarray:
    """Return per event the position of the last copy of a particle, the one that decays; 0 if there is none.

    Position 0 is Pythia's entry for the whole event: it lies along the beam, so never in a jet.
    """
    import awkward as ak

    daughter = particles.id[particles.daughter1]
    decays = (particles.id == identity) & (particles.status < 0) & (daughter != identity)
    first = ak.firsts(ak.local_index(particles.id)[decays], axis=1)
    return np.asarray(ak.to_numpy(ak.fill_none(first, 0)))


def _daughters(particles: Any, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _of(particles.daughter1, index), _of(particles.daughter2, index)


def _entry(values: Any, index: np.ndarray) -> Any:
    """Return one entry per event."""
    return values[np.arange(len(values)), index]


def _of(values: Any, index: np.ndarray) -> np.ndarray:
    import awkward as ak

    return np.asarray(ak.to_numpy(_entry(values, index)))


def _momenta(vectors: Any) -> np.ndarray:
    """Return E, px, py, pz of one vector per event, 0 where there is none."""
    import awkward as ak

    energy = vectors.E if "E" in ak.fields(vectors) else vectors.e
    columns = (energy, vectors.px, vectors.py, vectors.pz)
    return np.stack([np.asarray(ak.to_numpy(ak.fill_none(column, 0.0))) for column in columns], 1)


def _padded(constituents: Any) -> np.ndarray:
    """Turn ragged constituents into ``[jets, 200, 4]``: the hardest, sorted by falling pT."""
    import awkward as ak

    order = ak.argsort(constituents.px**2 + constituents.py**2, axis=1, ascending=False, stable=True)
    hardest = constituents[order][:, :CONSTITUENTS]
    full = ak.pad_none(hardest, CONSTITUENTS, axis=1)
    columns = (full.E, full.px, full.py, full.pz)
    dense = np.stack([np.asarray(ak.to_numpy(ak.fill_none(column, 0.0))) for column in columns], -1)
    return dense.astype(np.float32)


def _pt(momenta: np.ndarray) -> np.ndarray:
    pt: np.ndarray = np.hypot(momenta[:, 1], momenta[:, 2])
    return pt


def _eta(momenta: np.ndarray) -> np.ndarray:
    eta: np.ndarray = np.arcsinh(momenta[:, 3] / np.maximum(_pt(momenta), 1e-9))
    return eta


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    phi = np.arctan2(one[:, 2], one[:, 1]) - np.arctan2(other[:, 2], other[:, 1])
    phi = (phi + np.pi) % (2 * np.pi) - np.pi
    distance: np.ndarray = np.hypot(_eta(one) - _eta(other), phi)
    return distance
