"""The data set: which files of the record, what is read of them, what a batch holds, and how jets are generated.

The files are those of the Top Quark Tagging reference set (doi:10.5281/zenodo.2603256), whose layout the library reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fair_hep import Strict, validate
from fair_hep.models.contract import SPLITS
from fair_hep.simulation.jet_options import JetOptions as SimulationOptions
from pydantic import Field

if TYPE_CHECKING:
    import numpy as np
    from fair_hep.bundle.parts import Part
    from fair_hep.data.store import Store
    from torch.utils.data import Dataset

__all__ = ["SUFFIXES", "Options", "SimulationOptions", "convert", "dataset", "published", "read", "rows", "simulate"]

SUFFIXES = (".h5", ".hdf5")


class Options(Strict):
    """What may be chosen about the data: ``data.options`` in a configuration."""

    max_constituents: int = Field(128, ge=0, description="constituents that a loader keeps, hardest first; 0: all")
    chunk: int = Field(8192, ge=1, description="jets in memory at a time while files are converted")


def published(names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Choose ``train.h5``, ``val.h5`` and ``test.h5``."""
    return {split: [name for name in names if name == f"{split}.h5"] for split in SPLITS}


def convert(
    files: Sequence[Path], folder: Path, *, processes: int = 0, part: Part | None = None, **options: Any
) -> Mapping[str, Any]:
    """Convert files of one split into a store: constituents, axis and label."""
    from fair_hep.jets import reader

    chosen = validate(Options, options, "data.options")
    return reader.convert(
        files, folder, max_constituents=chosen.max_constituents, chunk=chosen.chunk, processes=processes, part=part
    )


def read(file: Path, size: int, *, start: int = 0, **options: Any) -> Iterator[Mapping[str, Sequence[np.ndarray]]]:
    """Read the constituents of jets, all of them, hardest first, from a row on."""
    from fair_hep.jets.reader import open_table

    validate(Options, options, "data.options")
    with open_table(file) as table:
        for chunk in table.chunks(size, labels=False, start=start):
            yield {"particles": [chunk.particles[number] for number in range(len(chunk.particles))]}


def rows(file: Path, **options: Any) -> int:
    """Return how many jets a file has, without reading them."""
    from fair_hep.jets.reader import open_table

    with open_table(file) as table:
        return table.jets


def dataset(store: Store, **options: Any) -> Dataset[Any]:
    """Return the jets of a store, cut to the hardest constituents."""
    from fair_hep.jets.dataset import JetDataset

    return JetDataset(store, max_constituents=validate(Options, options, "data.options").max_constituents)


def simulate(
    folder: Path, *, size: int, seed: int, processes: int, part: Part | None = None, **options: Any
) -> Mapping[str, Sequence[Path]]:
    """Generate top and QCD jets with Pythia 8, a detector and FastJet."""
    from fair_hep.simulation import jet_files

    chosen = validate(SimulationOptions, options, "data.simulation")
    return jet_files.simulate(folder, size=size, seed=seed, processes=processes, options=chosen, part=part)
