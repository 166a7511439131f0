"""Simulated files that were made in parts, joined to those that a single run makes: the same bytes.

Tables of jets are written again, row by row; files of events are whole in one part, and are taken as they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.errors import DataError
from ..bundle.files import read_json, write_json
from ..data.toptag import ORIGINS, Block, read_blocks, write_table
from .jet_files import UNIT, add_energy, origin_shares

__all__ = ["DESCRIPTION", "join_files"]

#: Beside simulated files: how they were made.
DESCRIPTION = "simulation.json"
#: What is counted there; all else is the same in every part.
_COUNTED = ("jets", "events", "events_generated", "elements")
_TABLES = (".h5", ".hdf5")


def join_files(parts: Sequence[Path], folder: Path) -> list[Path]:
    """Write into a folder what one run makes of it.

    Parameters
    ----------
    parts
        Folders of the parts, in order.
    folder
        Existing folder.

    Returns
    -------
    files
        What was written.

    Raises
    ------
    DataError
        If parts have a file of the same name that can't be joined.
    """
    names = sorted({path.name for part in parts for path in _files(part)})
    energy = np.zeros((2, len(ORIGINS)))
    for name in _in_order(names):
        found = [path for part in parts if (path := part / name).is_file()]
        if Path(name).suffix.lower() in _TABLES:
            write_table(folder / name, _blocks(found, energy))
        elif len(found) == 1:
            shutil.copyfile(found[0], folder / name)
        else:
            raise DataError(f"{name}: several parts have one, and only tables of jets can be joined")
    described = [read_json(path) for part in parts if (path := part / DESCRIPTION).is_file()]
    if described:
        write_json(folder / DESCRIPTION, _described(described, energy))
    return [folder / name for name in names]


def _files(part: Path) -> list[Path]:
    return [path for path in part.iterdir() if path.is_file() and path.suffix != ".json"]


def _in_order(names: Sequence[str]) -> list[str]:
    """Return names in the order in which splits are simulated: sums of energies depend on it in the last digit."""
    splits = ("train", "val", "test")
    return sorted(names, key=lambda name: next((i for i, split in enumerate(splits) if name.startswith(split)), 3))


def _blocks(tables: Sequence[Path], energy: np.ndarray) -> Iterator[Block]:
    """Give the jets of several tables as they were written; add up their energy by origin, in place."""
    for path in tables:
        for block in read_blocks(path, UNIT):
            add_energy(energy, block)
            yield block


def _described(parts: Sequence[Mapping[str, Any]], energy: np.ndarray) -> dict[str, Any]:
    whole = dict(parts[0])
    for key in whole.keys() & set(_COUNTED):
        whole[key] = {name: sum(part[key][name] for part in parts) for name in whole[key]}
    return whole | ({"origin": origin_shares(energy)} if "origin" in whole else {})
