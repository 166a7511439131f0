"""Simulated events in files of the data set's own layout, and the sample that ships with the template.

Unless asked for otherwise, training and validation get ttbar events, testing gets QCD events. Work is cut into units of
20 events, each with a seed of its own: the files depend on what is asked for only, not on the number of processes.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.cores import cores
from ..bundle.errors import DataError
from ..bundle.extras import source
from ..bundle.files import new_folder, sha256, write_json
from ..bundle.parts import Part
from ..data.delphes import EVENTS_PER_FILE, NONE, Event, write_events
from ..data.parallel import in_processes, print_to_standard_error
from .detector import detect
from .event_generator import VERTEX, Collider, settings
from .rounding import to_mantissa_bits

__all__ = ["PROCESS", "SAMPLE", "SHARES", "make_sample", "rounded", "simulate", "simulate_splits"]

#: Shares of the splits: a fifth tests; of the rest a fifth validates, as published.
SHARES: Mapping[str, float] = {"train": 0.64, "val": 0.16, "test": 0.2}
#: What the events of a split are.
PROCESS: Mapping[str, str] = {"train": "ttbar", "val": "ttbar", "test": "qcd"}
#: Events of the sample that ships with the model: as many as fit into 4 MiB. Without pile-up, which is mostly soft and
#: forward, and tested on hard jets, so that there are neutral hadrons among tracks to learn from and to find.
SAMPLE = {"train": 600, "val": 140, "test": 290}
SAMPLE_PROCESS: Mapping[str, str] = {"train": "ttbar", "val": "ttbar", "test": "hard_qcd"}
SAMPLE_PILEUP = 0.0
SAMPLE_SEED = 20201130
_UNIT = 20
_SPLITS = ("train", "val", "test")
# What the sample keeps of a number: bits of mantissa of momenta and energies, steps of directions.
_MANTISSA_BITS = 9
_STEP = 2.0**-11
# Columns of elements and particles that are momenta, energies or directions; in columns 6 to 8, tracks have directions.
_ELEMENT_ENERGIES, _ELEMENT_ANGLES, _SHARED = [1, 5], [2, 3, 4], [6, 7, 8]
_PARTICLE_ENERGIES, _PARTICLE_ANGLES = [2, 6], [3, 4, 5]


@dataclass(frozen=True)
class _Unit:
    split: str
    process: str
    number: int
    events: int
    seed: int
    pileup: float


def simulate(
    folder: Path,
    *,
    size: int,
    seed: int,
    processes: int = 0,
    pileup: float = 200.0,
    process: Mapping[str, str] = PROCESS,
    shares: Mapping[str, float] = SHARES,
    part: Part | None = None,
) -> dict[str, list[Path]]:
    """Simulate events into files of 100; by default 64 % ttbar to train, 16 % ttbar to validate, 20 % QCD to test.

    Parameters
    ----------
    folder
        Folder to write; it is replaced in one step.
    size
        Number of events in all, at least 10.
    seed
        The same seed gives the same files where nothing else differs, whatever ``processes``.
    processes
        Number of processes; 0: one per core.
    pileup
        Mean number of pile-up interactions of an event.
    process
        Process of every split, one of `PROCESSES`.
    shares
        Share of the events that trains and validates; the rest tests.
    part
        A share of the files, with the names that they have among all. None: all of them.

    Returns
    -------
    files
        Files by split. ``simulation.json`` beside them says how they were made.

    Raises
    ------
    DataError
        If Pythia 8 isn't installed, or ``size`` is too small.
    """
    if size < 10:
        raise DataError(f"simulate: got {size} events, expected at least 10")
    counts = {"train": round(size * shares["train"]), "val": round(size * shares["val"])}
    counts["test"] = size - sum(counts.values())
    with new_folder(folder) as temporary:
        names, details = simulate_splits(
            temporary, counts, seed=seed, processes=processes, pileup=pileup, process=process, part=part
        )
        write_json(temporary / "simulation.json", details)
    return {split: [folder / name for name in group] for split, group in names.items()}


def simulate_splits(
    folder: Path,
    counts: Mapping[str, int],
    *,
    seed: int,
    pileup: float,
    processes: int = 0,
    process: Mapping[str, str] = PROCESS,
    change: Callable[[Event], Event] | None = None,
    part: Part | None = None,
) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """Simulate a number of events for each split; return the names of the files, and how they were made.

    Parameters
    ----------
    folder
        Existing folder.
    counts
        Events by split.
    seed, processes, pileup, process, part
        As in `simulate`.
    change
        Applied to every event before it is written.
    """
    from tqdm import tqdm

    _require()
    files = [(split, number) for split, count in counts.items() for number in range(-(-count // EVENTS_PER_FILE))]
    if part is not None:
        files = [files[number] for number in part.share(len(files))]
    wanted = set(files)
    every = (unit for split, count in counts.items() for unit in _units(split, process[split], count, seed, pileup))
    units = [unit for unit in every if (unit.split, unit.number * _UNIT // EVENTS_PER_FILE) in wanted]
    made = dict.fromkeys(counts, 0)
    names: dict[str, list[str]] = {split: [] for split in counts}
    found = dict.fromkeys(counts, 0)
    # Events are always made in other processes: there, what Pythia prints can be kept off standard output.
    with (
        in_processes(_make, units, max(1, min(processes or cores(), len(units))), print_to_standard_error) as results,
        tqdm(
            total=sum(unit.events for unit in units), unit="event", desc="simulate", file=sys.stderr, disable=None
        ) as progress,
    ):
        for split, number in files:
            size = min(EVENTS_PER_FILE, counts[split] - number * EVENTS_PER_FILE)
            events = [event for some in islice(results, -(-size // _UNIT)) for event in some]
            progress.update(len(events))
            made[split] += len(events)
            found[split] += sum(len(event.elements) for event in events)
            name = f"{split}_{number}.pkl.bz2"
            write_events(folder / name, [change(event) for event in events] if change else events)
            names[split].append(name)
    return names, _details(made, found, seed, pileup, process)


def rounded(event: Event) -> Event:
    """Return an event whose numbers keep what a detector could tell, so that they compress well.

    Momenta and energies keep 9 bits of mantissa (0.1 %), eta and the sines and cosines of phi steps of 0.0005; codes
    and charges stay.
    """
    elements = event.elements.copy()
    elements[:, _ELEMENT_ENERGIES] = to_mantissa_bits(elements[:, _ELEMENT_ENERGIES], _MANTISSA_BITS)
    elements[:, _ELEMENT_ANGLES] = _steps(elements[:, _ELEMENT_ANGLES])
    shared = elements[:, _SHARED]
    elements[:, _SHARED] = np.where(elements[:, 9:10] != 0, _steps(shared), to_mantissa_bits(shared, _MANTISSA_BITS))
    return Event(elements, _rounded_particles(event.gen), _rounded_particles(event.cand))


def _rounded_particles(particles: np.ndarray) -> np.ndarray:
    result = particles.copy()
    result[:, _PARTICLE_ENERGIES] = to_mantissa_bits(particles[:, _PARTICLE_ENERGIES], _MANTISSA_BITS)
    # No particle stays no particle: a row of zeros.
    result[:, _PARTICLE_ANGLES] = _steps(particles[:, _PARTICLE_ANGLES]) * (particles[:, :1] != NONE)
    return result


def make_sample(folder: Path, *, processes: int = 0) -> None:
    """Make the sample that ships with the model: files, and ``provenance.json`` that says how.

    Raises
    ------
    DataError
        If Pythia 8 isn't installed.
    """
    with new_folder(folder) as temporary:
        names, details = simulate_splits(
            temporary,
            SAMPLE,
            seed=SAMPLE_SEED,
            pileup=SAMPLE_PILEUP,
            processes=processes,
            process=SAMPLE_PROCESS,
            change=rounded,
        )
        files = sorted(name for group in names.values() for name in group)
        provenance = {
            "title": "Simulated events with tracks, towers and targets: a small sample",
            "license": "CC0-1.0",
            "command": "python -m fair_hep.simulation.event_files FOLDER",
            "rounding": {"energy_mantissa_bits": _MANTISSA_BITS, "direction_step": _STEP},
            "sha256": {name: sha256(temporary / name) for name in files},
            **details,
        }
        write_json(temporary / "provenance.json", provenance)


def _require() -> None:
    if importlib.util.find_spec("pythia8mc") is None:
        raise DataError(f"simulate: pythia8mc isn't installed: {source('simulate')}")


def _units(split: str, process: str, count: int, seed: int, pileup: float) -> list[_Unit]:
    """Cut files of 100 events into units; the last unit of a split may be smaller."""
    return [
        _Unit(split, process, number, min(_UNIT, count - start), seed, pileup)
        for number, start in enumerate(range(0, count, _UNIT))
    ]


def _make(unit: _Unit) -> list[Event]:
    """Make one unit's events; runs in a worker."""
    root = np.random.SeedSequence([unit.seed, _SPLITS.index(unit.split), unit.number])
    hard, soft, rest = (int(word) for word in root.generate_state(3))
    collider, random = Collider(unit.process, unit.pileup), np.random.default_rng(rest)
    collider.seed(hard, soft)
    return [detect(collider.event(random), random) for _ in range(unit.events)]


def _steps(values: np.ndarray) -> np.ndarray:
    # Adding 0 turns -0 into 0.
    steps: np.ndarray = np.rint(values / _STEP) * _STEP + 0.0
    return steps


def _details(
    counts: Mapping[str, int], found: Mapping[str, int], seed: int, pileup: float, process: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "events": dict(counts),
        "elements": dict(found),
        "process": dict(process),
        "pileup_mean": pileup,
        "seed": seed,
        "generator": {"pythia8mc": metadata.version("pythia8mc")},
        "pythia": {
            name: settings(name) for name in dict.fromkeys([*process.values(), *["minimum_bias"] * bool(pileup)])
        },
        "vertex_metres": dict(VERTEX),
        "detector": "parametrised: tracking, ECAL and HCAL with the numbers of Delphes' CMS card (arXiv:1307.6346)",
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m fair_hep.simulation.event_files FOLDER")
    make_sample(Path(sys.argv[1]))
