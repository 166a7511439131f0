"""Files of relevances: one HDF5 file that describes itself, one writer and one reader for all models.

A data set is a list of rows, named ``group/name``. Its attributes say all that a reader must know:

``meaning``
    What it is, with its axes in brackets, and its unit.
``counted_by``
    Which rows they are. Empty: one for each example. Otherwise the name of another data set, which holds how many rows
    each of its own rows has here: ``element/relevance`` is counted by ``example/elements``, so its rows are the
    elements of all examples, one example after the other.
``filler``
    What stands where there is nothing, once a reader has padded the rows.

So rows may be nested as deep as a study needs. The vocabulary is the same in all files: ``example/*`` is about whole
examples (jets, events), ``ledger/*`` is the account of what is explained, ``element/*`` is about elements
(constituents, tracks and clusters), ``edge{place}/*`` about the edges of one place in a network. A model that explains
many things of one example, such as one element after the other, counts them in ``example/maps``; each of them has a row
in ``map/*`` and in ``ledger/*``, and ``map/seen`` rows in ``seen/*``, one for each element that it sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.errors import ExplainError
from ..bundle.files import new_file
from ..bundle.reading import check_growth, reading
from ..data.blocks import Blocks, collect, forget
from .fingerprint import KEY, is_finished
from .nested import Nested

__all__ = [
    "ELEMENTS",
    "FILE",
    "NOTHING",
    "Column",
    "Relevances",
    "column_of",
    "describe",
    "read_relevances",
    "write_relevances",
]

FILE = "relevances.h5"
#: The data set that counts the elements of each example.
ELEMENTS = "example/elements"
#: Stands where a position, a class or a neighbour is missing.
NOTHING = -1
#: Bytes that a reader holds at most, unless a single row takes more.
LARGEST = 2**28


@dataclass(frozen=True)
class Column:
    """One data set of a file of relevances.

    Parameters
    ----------
    meaning
        What it is: its axes in brackets, then words, with the unit.
    counted_by
        Name of the data set that says how many rows each of its own rows has here; empty: one for each example.
    filler
        What stands where there is nothing.
    """

    meaning: str
    counted_by: str = ""
    filler: int = 0


class Relevances(dict[str, np.ndarray]):
    """Some rows of a file of relevances by name, padded, so that elements are ``[examples, elements, ...]``."""

    @property
    def mask(self) -> np.ndarray:
        """Real elements ``[examples, elements]``."""
        mask: np.ndarray = np.arange(self["element/relevance"].shape[1])[None] < self[ELEMENTS][:, None]
        return mask

    @property
    def places(self) -> int:
        """Number of places with edges, such as the blocks or layers of a graph network."""
        return sum(name.startswith("edge") and name.endswith("/neighbour") for name in self)

    def edges(self, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (neighbour, share, relevance) of a place, each ``[examples, elements, k]``."""
        neighbour, share, relevance = (self[f"edge{place}/{name}"] for name in ("neighbour", "share", "relevance"))
        return neighbour, share, relevance

    def row(self, number: int) -> Relevances:
        """Return one example: the same names, without the first axis."""
        return Relevances({name: values[number] for name, values in self.items()})


def describe(layout: Mapping[str, Column]) -> list[str]:
    """Return a layout in lines, as it stands in the attribute ``layout`` of a file."""
    return [f"{name}: {column.meaning}" for name, column in layout.items()]


def column_of(layout: Mapping[str, Column], name: str) -> Column:
    """Return what a layout says of a data set.

    Raises
    ------
    ExplainError
        If it isn't there.
    """
    group, _, kind = name.partition("/")
    general = f"edge{{place}}/{kind}" if group.startswith("edge") else name
    if name not in layout and general not in layout:
        raise ExplainError(f"relevances: {name} isn't in the layout, which has {', '.join(layout)}")
    return layout.get(name) or layout[general]


def write_relevances(
    folder: Path,
    blocks: Blocks,
    layout: Mapping[str, Column],
    attributes: Mapping[str, Any],
) -> Path:
    """Write blocks as they come, then all of them into one file; if it is there already, keep it.

    Memory holds one block at a time.

    Parameters
    ----------
    folder
        Where the file goes. Finished blocks wait there too: an interrupted call leaves them to the next.
    blocks
        Rows by name, without padding.
    layout
        Every data set by its name; ``edge{place}/share`` stands for all places.
    attributes
        Attributes of the file, besides its layout.

    Raises
    ------
    ExplainError
        If there is no block, or a block has a name that isn't in the layout.
    """
    import h5py

    path = folder / FILE
    if not blocks.count:
        raise ExplainError("nothing to explain: there are no relevances to write")
    if not is_finished(path, blocks.key):
        with new_file(path) as name, h5py.File(name, "w") as file:
            file.attrs.update({**attributes, "layout": describe(layout), KEY: blocks.key})
            for block in collect(folder, blocks):
                for dataset, rows in block.items():
                    _append(file, dataset, rows, column_of(layout, dataset))
    forget(folder, blocks.key)
    return path


def read_relevances(path: Path | str, chunk: int = 1024, *, rows: str = "") -> Iterator[Relevances]:
    """Read the file of any model back, some rows at a time: arrays by name, padded, with the fillers that it names.

    Memory is bounded: fewer rows come together where they are large.

    Parameters
    ----------
    path
        The file, ``relevances.h5`` among what ``explain`` made.
    chunk
        Most rows that come together.
    rows
        Which rows these are. Empty: examples. Otherwise the data set that counts them: ``example/maps`` gives one map
        after the other, each with the values of the example that it belongs to.

    Yields
    ------
    part
        By name ``[rows, ...]`` for what has one entry for each row, ``[rows, longest, ...]`` for what is counted by
        them, and so on. What is counted by something else is left out.

    Raises
    ------
    ExplainError
        If the file isn't one of relevances, or ``rows`` counts nothing in it.

    Examples
    --------
    Sum the relevance of every jet's elements and features, which is what the ledger says:

    >>> from fair_hep import read_relevances
    >>> for part in read_relevances("runs/quick/explain/relevances.h5"):
    ...     print(part["element/relevance"].shape, part["element/relevance"].sum((1, 2)) - part["ledger/inputs"])
    (2, 3, 2) [0. 0.]
    """
    import h5py

    with reading(Path(path).name, "a file of relevances", ExplainError):
        file = h5py.File(path, "r")
    with file, reading(Path(path).name, "a file of relevances", ExplainError):
        columns = {f"{group}/{name}": data for group in file for name, data in file[group].items()}
        unknown = [name for name, data in columns.items() if "counted_by" not in data.attrs]
        if unknown or not columns:
            raise ExplainError(
                f"{path}: {unknown[0] if unknown else 'the file'} doesn't say which rows it has, expected what "
                "`explain` writes: run it again"
            )
        for name, data in columns.items():
            wide = int(np.prod(data.shape[1:], dtype=object)) * data.dtype.itemsize
            check_growth(f"{path}: {name}", len(data) * max(1, wide), Path(path).stat().st_size, ExplainError)
        counted = {name: str(data.attrs["counted_by"]) for name, data in columns.items()}
        size = max((len(data) for name, data in columns.items() if not counted[name]), default=0)
        nested = Nested({by: columns[by][:].astype(np.int64) for by in set(counted.values()) if by}, counted, size)
        if rows not in counted.values():
            raise ExplainError(f"{path}: rows={rows!r} counts nothing there, expected one of {sorted(nested.counts)}")
        wanted = {name: data for name, data in columns.items() if nested.related(counted[name], rows)}
        weights = dict.fromkeys(map(counted.__getitem__, wanted), 0)
        for name, data in wanted.items():
            weights[counted[name]] += data.dtype.itemsize * int(np.prod(data.shape[1:]))
        for part in nested.chunks(rows, weights, chunk, LARGEST):
            yield Relevances(
                {
                    name: nested.read(data, counted[name], rows, part, filler=data.attrs["filler"])
                    for name, data in wanted.items()
                }
            )


def _append(file: Any, name: str, rows: np.ndarray, column: Column) -> None:
    """Append rows to a data set of an open file; make it the first time."""
    if name not in file:
        chunks = (max(1, 2**16 // max(1, int(np.prod(rows.shape[1:])) * rows.itemsize)), *rows.shape[1:])
        made = file.create_dataset(
            name, (0, *rows.shape[1:]), rows.dtype, maxshape=(None, *rows.shape[1:]), chunks=chunks, compression="gzip",
            compression_opts=1, shuffle=True,
        )  # fmt: skip
        made.attrs.update({"meaning": column.meaning, "counted_by": column.counted_by, "filler": column.filler})
    data = file[name]
    start = data.shape[0]
    data.resize(start + len(rows), axis=0)
    data[start:] = rows
