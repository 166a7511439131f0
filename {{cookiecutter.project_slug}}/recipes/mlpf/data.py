"""Which files train, validate and test, and how events are generated where there are none.

The files are those of DOI 10.5281/zenodo.4559324. `fair_hep.particleflow.reader` reads ``X``, ``ygen`` and ``ycand`` of
every event, and checks them row by row.

The network learns from ttbar events and is tested on QCD events, as published (arXiv:2101.08578): of the ten groups of
50 ttbar files, the first eight train (40,000 events) and the last two validate (10,000). Whoever fetches a few files
only, say three of one group and one of QCD, has three splits as well: where no file of the ttbar files belongs to one
of the two splits, the last fifth of them (at least one) validates and the rest train.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fair_hep import Strict
from fair_hep.simulation import event_files
from pydantic import Field

__all__ = ["SimulationOptions", "simulate", "sort_into_splits"]

#: What is generated for each split, and its share of the events: a fifth tests; of the rest a fifth validates.
PROCESS = {"train": "ttbar", "val": "ttbar", "test": "qcd"}
SHARES = {"train": 0.64, "val": 0.16, "test": 0.2}

_TTBAR = re.compile(r"tev14_pythia8_ttbar_(\d+)_(\d+)\.pkl\.bz(?:ip)?2", re.IGNORECASE)
_QCD = re.compile(r"tev14_pythia8_qcd_(\d+)_(\d+)\.pkl\.bz(?:ip)?2", re.IGNORECASE)
_OURS = re.compile(r"(train|val|test)(?:_(\d+))?\.pkl\.bz(?:ip)?2", re.IGNORECASE)
_FIRST_TO_VALIDATE = 8


def sort_into_splits(names: Sequence[str]) -> dict[str, list[str]]:
    """Sort names of files into splits, in the order of their numbers; leave out what belongs to none.

    Known are the names of the published record, in both spellings of the suffix, and those that ``simulate`` gives.

    Examples
    --------
    >>> few = [f"tev14_pythia8_ttbar_0_{number}.pkl.bz2" for number in range(4)]
    >>> sorted_ = sort_into_splits([*few, "tev14_pythia8_qcd_10_0.pkl.bz2", "readme.txt"])
    >>> {split: len(names) for split, names in sorted_.items()}
    {'train': 3, 'val': 1, 'test': 1}
    """
    ttbar = _numbered(_TTBAR, names)
    validating = [name for (group, _), name in ttbar if group >= _FIRST_TO_VALIDATE]
    training = [name for (group, _), name in ttbar if group < _FIRST_TO_VALIDATE]
    if len(ttbar) > 1 and not (training and validating):
        together = [name for _, name in ttbar]
        count = max(1, len(together) // 5)
        training, validating = together[:-count], together[-count:]
    splits = {"train": training, "val": validating, "test": [name for _, name in _numbered(_QCD, names)]}
    ours = sorted(
        (match[1].lower(), int(match[2] or 0), name) for name in names if (match := _OURS.fullmatch(name)) is not None
    )
    for split, _, name in ours:
        splits[split].append(name)
    return splits


def _numbered(pattern: re.Pattern[str], names: Sequence[str]) -> list[tuple[tuple[int, int], str]]:
    """Return the names that match with their two numbers, in the order of the numbers."""
    matches = [(pattern.fullmatch(name), name) for name in names]
    return sorted(((int(match[1]), int(match[2])), name) for match, name in matches if match)


class SimulationOptions(Strict):
    """What is simulated: ``data.simulation`` in a configuration."""

    pileup: float = Field(200.0, ge=0, le=1000, description="mean number of pile-up interactions")


def simulate(folder: Path, options: SimulationOptions, **asked: Any) -> Mapping[str, Sequence[Path]]:
    """Generate events with pile-up in a parametrised detector, in files of the data set's layout."""
    return event_files.simulate(folder, pileup=options.pileup, process=PROCESS, shares=SHARES, **asked)
