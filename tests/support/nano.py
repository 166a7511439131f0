"""Files as NanoAOD has them, with particle-flow candidates, and their jets; a bundle that knows such jets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fair_hep.bundle import SIGNATURE, read_signature, write_sums
from fair_hep.bundle.derived import Elements, derived_values
from fair_hep.bundle.domain import jet_quantities, trained
from fair_hep.bundle.inputs import pad
from support.kept import kept

__all__ = ["Events", "known_bundle", "make_jets", "momenta", "write_nano"]

#: One jet of an event: constituents with pt, eta, phi and mass.
Jet = np.ndarray
Events = list[list[Jet]]


def make_jets(events: int, seed: int) -> Events:
    """Return events of up to three jets: constituents ``[n, 4]`` with pt in GeV, eta, phi and mass."""
    draw = np.random.default_rng(seed)
    return [[_jet(draw) for _ in range(draw.integers(0, 4))] for _ in range(events)]


def _jet(draw: np.random.Generator) -> Jet:
    size = int(draw.integers(5, 30))
    pt = draw.dirichlet(np.full(size, 0.6)) * draw.uniform(550, 650) + 0.5
    eta, phi = draw.uniform(-2, 2) + draw.normal(0, 0.2, size), draw.uniform(-2.5, 2.5) + draw.normal(0, 0.2, size)
    return np.stack([pt, eta, phi, np.full(size, 0.1396)], 1).astype(np.float32)


def momenta(jet: Jet) -> np.ndarray:
    """Return ``[n, 4]`` E, px, py, pz, by formulas of its own."""
    pt, eta, phi, mass = jet.astype(np.float64).T
    energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
    return np.stack([energy, pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], 1)


def write_nano(path: Path, events: Events, seed: int = 0) -> None:
    """Write the jets as ``FatJet`` of a tree ``Events``; the candidates of an event lie in any order."""
    import awkward
    import uproot

    draw = np.random.default_rng(seed)
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("pt", "eta", "phi", "mass", "index", "jet")}
    for jets in events:
        all_of_them = np.concatenate([*jets, np.zeros((0, 4), np.float32)])
        order = draw.permutation(len(all_of_them))
        for number, name in enumerate(("pt", "eta", "phi", "mass")):
            columns[name].append(all_of_them[order, number])
        columns["index"].append(np.argsort(order).astype(np.int32))
        columns["jet"].append(np.repeat(np.arange(len(jets)), [len(jet) for jet in jets]).astype(np.int32))
    counts = np.array([len(one) for one in columns["pt"]], np.int32)
    numbers = np.array([len(jets) for jets in events], np.int32)
    lists = {name: awkward.unflatten(np.concatenate(values), counts) for name, values in columns.items()}
    e, px, py, pz = np.array([momenta(jet).sum(0) for jets in events for jet in jets]).reshape(-1, 4).T
    pt = np.hypot(px, py)
    whole = {"pt": pt, "eta": np.arcsinh(pz / pt), "phi": np.arctan2(py, px)}
    whole["mass"] = np.sqrt(np.maximum(e**2 - pt**2 - pz**2, 0))
    values = {
        "run": np.ones(len(events), np.uint32),
        "luminosityBlock": np.ones(len(events), np.uint32),
        "event": np.arange(len(events), dtype=np.uint64),
        "MET_pt": draw.exponential(30, len(events)).astype(np.float32),
        "MET_phi": draw.uniform(-3, 3, len(events)).astype(np.float32),
        "nFatJet": numbers,
        **{f"FatJet_{name}": awkward.unflatten(one.astype(np.float32), numbers) for name, one in whole.items()},
        "nPFCand": counts,
        **{f"PFCand_{name}": lists[name] for name in ("pt", "eta", "phi", "mass")},
        "nFatJetPFCand": counts,
        "FatJetPFCand_jetIdx": lists["jet"],
        "FatJetPFCand_pfCandIdx": lists["index"],
    }
    kinds = {
        name: str(awkward.Array(one).type.content) if one.ndim == 1 else f"var * {awkward.flatten(one).type.content}"
        for name, one in values.items()
    }
    with uproot.recreate(path) as file:
        file.mktree("Events", kinds, counter_name=lambda name: f"n{name.partition('_')[0]}").extend(values)


def known_bundle(folder: Path, jets: Sequence[Jet]) -> Path:
    """Return a small ParticleNet that was trained on such jets, as far as its bundle tells."""
    bundle = kept("particlenet", folder)
    spec = read_signature(bundle).inputs[0]
    elements = Elements(spec, pad(spec, [momenta(jet) for jet in jets]))
    known = [trained(quantity, derived_values(quantity, elements)) for quantity in jet_quantities()]
    path = bundle / SIGNATURE
    told = json.loads(path.read_text(encoding="utf-8"))
    told["domain"] = [one.model_dump(mode="json") for one in known]
    path.write_text(json.dumps(told), encoding="utf-8")
    write_sums(bundle)
    return bundle
