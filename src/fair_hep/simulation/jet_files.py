"""Simulated jets in files of the reference set's own layout, and the sample that ships with the model.

Work is cut into units of 500 jets, half top and half QCD in mixed order, each with a seed of its own: the files
depend on what is asked for only, not on the number of processes.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.cores import cores
from ..bundle.errors import DataError
from ..bundle.extras import source
from ..bundle.files import new_folder, sha256, write_json
from ..bundle.parts import Part
from ..data.parallel import in_processes, print_to_standard_error
from ..data.toptag import ORIGINS, TTV, Block, write_table
from .ancestry import RULES
from .jet_generator import SELECTION, generate, settings
from .jet_options import JetOptions
from .rounding import to_mantissa_bits

__all__ = [
    "FRACTIONS",
    "SAMPLE",
    "UNIT",
    "add_energy",
    "make_sample",
    "origin_shares",
    "rounded",
    "simulate",
    "simulate_splits",
]

#: Shares of the splits, as in the reference set.
FRACTIONS = {"train": 0.6, "val": 0.2, "test": 0.2}
#: Jets of the sample that ships with the model: as many as fit into 4 MiB, with a test set that can measure.
SAMPLE = {"train": 4500, "val": 900, "test": 3200}
SAMPLE_SEED = 20190222
#: Jets that are made at a time.
UNIT = 500
# Bits of mantissa that the sample keeps. Energies are computed anew from the rounded momenta and get more bits,
# because the mass of a light jet is a small difference of large numbers.
_MOMENTUM_BITS, _ENERGY_BITS = 7, 15


@dataclass(frozen=True)
class _Unit:
    split: str
    number: int
    jets: int
    seed: int
    options: JetOptions


def simulate(
    folder: Path,
    *,
    size: int,
    seed: int,
    processes: int = 0,
    options: JetOptions | None = None,
    part: Part | None = None,
) -> dict[str, list[Path]]:
    """Simulate top and QCD jets into ``train.h5``, ``val.h5`` and ``test.h5``, 60, 20 and 20 % of them.

    Parameters
    ----------
    folder
        Folder to write; it is replaced in one step.
    size
        Number of jets in all, at least 10; half of every split are top jets.
    seed
        The same seed, size and options give the same files, whatever ``processes``.
    processes
        Number of processes; 0: one per core.
    options
        Level, detector and shower.
    part
        A share of the units that jets are made in: there are no files of splits without any. None: all of them.

    Returns
    -------
    files
        Files by split. ``simulation.json`` beside them says how they were made.

    Raises
    ------
    DataError
        If Pythia 8 or FastJet isn't installed, or ``size`` is too small.
    """
    if size < 10:
        raise DataError(f"simulate: got {size} jets, expected at least 10")
    counts = {"train": round(size * FRACTIONS["train"]), "val": round(size * FRACTIONS["val"])}
    counts["test"] = size - sum(counts.values())
    with new_folder(folder) as temporary:
        details = simulate_splits(temporary, counts, seed=seed, processes=processes, options=options, part=part)
        write_json(temporary / "simulation.json", details)
    return {split: [folder / f"{split}.h5"] * bool(details["jets"][split]) for split in counts}


def simulate_splits(
    folder: Path,
    counts: Mapping[str, int],
    *,
    seed: int,
    processes: int = 0,
    options: JetOptions | None = None,
    level: int = 5,
    change: Callable[[Block], Block] | None = None,
    part: Part | None = None,
) -> dict[str, Any]:
    """Simulate a number of jets for each split into ``<folder>/<split>.h5``; return how they were made.

    Parameters
    ----------
    folder
        Existing folder.
    counts
        Jets by split.
    seed, processes, options, part
        As in `simulate`.
    level
        Strength of the compression, 1 to 9.
    change
        Applied to every block before it is written.
    """
    from tqdm import tqdm

    _require()
    options = options or JetOptions()
    every = [unit for split, count in counts.items() for unit in _units(split, count, seed, options)]
    if part is not None:
        every = [every[number] for number in part.share(len(every))]
    counts = {split: sum(unit.jets for unit in every if unit.split == split) for split in counts}
    events = {"top": 0, "qcd": 0}
    energy = np.zeros((2, len(ORIGINS)))
    # Jets are always made in other processes: there, what Pythia and FastJet print can be kept off standard output.
    with (
        in_processes(_make, every, max(1, min(processes or cores(), len(every))), print_to_standard_error) as results,
        tqdm(total=sum(counts.values()), unit="jet", desc="simulate", file=sys.stderr, disable=None) as progress,
    ):

        def blocks(split: str) -> Iterator[Block]:
            for _ in (unit for unit in every if unit.split == split):
                block, made = next(results)
                for kind, number in made.items():
                    events[kind] += number
                add_energy(energy, block)
                progress.update(len(block.label))
                yield change(block) if change else block

        for split in filter(counts.get, counts):
            write_table(folder / f"{split}.h5", blocks(split), level=level)
    return {**_details(counts, seed, events, options), "origin": origin_shares(energy)}


def rounded(block: Block) -> Block:
    """Return jets whose momenta keep 7 bits of mantissa, so that they compress to a third; masses stay.

    px, py and pz are rounded to 0.4 %; the energy is computed from them and the constituent's mass, and rounded to
    0.002 %. Constituents are sorted by pT again, as rounding may swap neighbours.
    """
    momenta = block.particles.astype(np.float64)
    squared_mass = np.maximum(momenta[..., 0] ** 2 - (momenta[..., 1:] ** 2).sum(-1), 0.0)
    vectors = to_mantissa_bits(momenta[..., 1:], _MOMENTUM_BITS)
    energy = np.sqrt((vectors**2).sum(-1) + squared_mass) * (momenta[..., 0] > 0)
    particles = np.concatenate([to_mantissa_bits(energy, _ENERGY_BITS)[..., None], vectors], -1)
    order = np.argsort(-np.hypot(particles[..., 1], particles[..., 2]), axis=1, kind="stable")
    particles = np.take_along_axis(particles, order[..., None], 1).astype(np.float32)
    truth = to_mantissa_bits(block.truth, _ENERGY_BITS).astype(np.float32)
    origin = None if block.origin is None else np.take_along_axis(block.origin, order, 1)
    return Block(particles, truth, block.label, block.ttv, origin)


def make_sample(folder: Path, *, processes: int = 0) -> None:
    """Make the sample that ships with the model: three files, and ``provenance.json`` with what the rounding changed.

    Raises
    ------
    DataError
        If Pythia 8 or FastJet isn't installed.
    """
    sums = []

    def change(block: Block) -> Block:
        result = rounded(block)
        sums.append(np.stack([jets.particles.sum(1, dtype=np.float64) for jets in (block, result)]))
        return result

    with new_folder(folder) as temporary:
        details = simulate_splits(temporary, SAMPLE, seed=SAMPLE_SEED, processes=processes, level=9, change=change)
        provenance = {
            "title": "Simulated top and QCD jets: a small sample",
            "license": "CC0-1.0",
            "command": "python -m fair_hep.simulation.jet_files FOLDER",
            "rounding": {
                "momentum_mantissa_bits": _MOMENTUM_BITS,
                "energy_mantissa_bits": _ENERGY_BITS,
                "energy": "computed from the rounded momentum and the constituent's mass, then rounded",
                **_effect(*np.concatenate(sums, 1)),
            },
            "sha256": {f"{split}.h5": sha256(temporary / f"{split}.h5") for split in SAMPLE},
            **details,
        }
        write_json(temporary / "provenance.json", provenance)


def _effect(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """Say how far jets moved; both are four-momenta ``[jets, 4]``."""
    mass = [np.sqrt(np.maximum(p[:, 0] ** 2 - (p[:, 1:] ** 2).sum(1), 0)) for p in (before, after)]
    pt = [np.hypot(p[:, 1], p[:, 2]) for p in (before, after)]
    return {
        "jet_mass_rms_gev": round(float(np.sqrt(np.mean((mass[1] - mass[0]) ** 2))), 3),
        "jet_pt_largest_relative": round(float(np.abs(pt[1] / pt[0] - 1).max()), 5),
    }


def _require() -> None:
    for module, extra in (("pythia8mc", "simulate"), ("fastjet", "train")):
        if importlib.util.find_spec(module) is None:
            raise DataError(f"simulate: {module} isn't installed: {source(extra)}")


def _units(split: str, count: int, seed: int, options: JetOptions) -> list[_Unit]:
    starts = range(0, count, UNIT)
    return [_Unit(split, number, min(UNIT, count - start), seed, options) for number, start in enumerate(starts)]


def _make(unit: _Unit) -> tuple[Block, dict[str, int]]:
    """Make one unit's jets in mixed order; runs in a worker."""
    root = np.random.SeedSequence([unit.seed, TTV[unit.split], unit.number])
    top_seed, qcd_seed, order_seed = (int(word) for word in root.generate_state(3))
    tops = unit.jets // 2
    # Pythia takes seeds from 1 to 900,000,000.
    top = generate("top", tops, 1 + top_seed % 900_000_000, unit.options)
    qcd = generate("qcd", unit.jets - tops, 1 + qcd_seed % 900_000_000, unit.options)
    order = np.random.default_rng(order_seed).permutation(unit.jets)
    label = np.repeat([1, 0], [len(top.particles), len(qcd.particles)])
    particles, truth = np.concatenate([top.particles, qcd.particles]), np.concatenate([top.truth, qcd.truth])
    origin = np.concatenate([top.origin, qcd.origin])
    block = Block(particles[order], truth[order], label[order], TTV[unit.split], origin[order])
    return block, {"top": top.events, "qcd": qcd.events}


def add_energy(energy: np.ndarray, block: Block) -> None:
    """Add up the energy of constituents by label and origin, in place."""
    if block.origin is not None:
        kinds = len(ORIGINS)
        place = block.origin + kinds * np.asarray(block.label)[:, None]
        energy += np.bincount(place.ravel(), block.particles[..., 0].ravel(), 2 * kinds).reshape(2, kinds)


def origin_shares(energy: np.ndarray) -> dict[str, Any]:
    """Say by which rule origins were found, and which share of the energy of top and of QCD jets has which."""
    share = energy / np.maximum(energy.sum(1, keepdims=True), 1e-9)
    shares = {
        kind: {name: round(float(share[label, code]), 4) for name, code in ORIGINS.items() if share[label, code] > 0}
        for label, kind in ((1, "top"), (0, "qcd"))
    }
    return {"rule": dict(RULES), "energy_share": shares}


def _details(counts: Mapping[str, int], seed: int, events: Mapping[str, int], options: JetOptions) -> dict[str, Any]:
    return {
        "jets": dict(counts),
        "seed": seed,
        "events_generated": dict(events),
        "generator": {name: metadata.version(name) for name in ("pythia8mc", "fastjet")},
        "pythia": {kind: settings(kind, options.shower) for kind in ("top", "qcd")},
        "selection": dict(SELECTION),
        "simulation": options.model_dump(),
        "level": _level(options),
    }


def _level(options: JetOptions) -> str:
    if options.level == "particle":
        return "visible stable particles, no detector; GeV"
    cells = "" if options.granularity == "fine" else ", the HCAL's cells also in the ECAL"
    return f"detector: energy flow with the numbers of Delphes' {options.card} card (arXiv:1307.6346){cells}; GeV"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m fair_hep.simulation.jet_files FOLDER")
    make_sample(Path(sys.argv[1]))
