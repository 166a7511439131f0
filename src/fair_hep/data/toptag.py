"""The table of the Top Quark Tagging reference set: HDF5 as pandas writes it, under the key ``table``.

806 columns: ``E_0, PX_0, PY_0, PZ_0 ... E_199, PX_199, PY_199, PZ_199`` (GeV, sorted by falling pT, zero-padded),
``truthE, truthPX, truthPY, truthPZ`` (of the top quark; 0 for QCD), ``ttv`` (0 train, 1 test, 2 validation: redundant)
and ``is_signal_new`` (1 top, 0 QCD). Reference: doi:10.5281/zenodo.2603256.

Simulated files may hold 200 columns more: ``ORIGIN_0 ... ORIGIN_199``, where each constituent comes from, one of
`ORIGINS`. They lie in a block of their own, so a reader of the published layout finds what it knows, unchanged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.errors import DataError
from ..bundle.files import new_file

__all__ = [
    "COMPONENTS",
    "CONSTITUENTS",
    "KEY",
    "LABEL",
    "ORIGINS",
    "TTV",
    "Block",
    "momentum_columns",
    "origin_columns",
    "read_blocks",
    "write_table",
]

KEY = "table"
LABEL = "is_signal_new"
CONSTITUENTS = 200
COMPONENTS = ("E", "PX", "PY", "PZ")
#: What the column ``ttv`` holds in each split.
TTV = {"train": 0, "test": 1, "val": 2}
#: Where a constituent comes from: none of these (initial state, or padding); a decay quark of the top (the b, the quark
#: and the antiquark of the W); more than one of them; a side of the leading splitting of a QCD jet, the harder first.
ORIGINS: Mapping[str, int] = {
    "none": 0, "b": 1, "q": 2, "q'": 3, "shared": 4, "first side": 5, "second side": 6,
}  # fmt: skip
# Rows that are compressed together (3 MB): the larger, the smaller the file; pandas would take 40.
_CHUNK = 1000


@dataclass(frozen=True)
class Block:
    """Some rows of the table.

    Parameters
    ----------
    particles
        ``[jets, 200, 4]`` float32: E, px, py, pz in GeV, sorted by falling pT, zero-padded.
    truth
        Four-momentum of the top quark ``[jets, 4]`` float32 in GeV; 0 for QCD.
    label
        ``[jets]``: 1 for top, 0 for QCD.
    ttv
        The split, as a number of `TTV`.
    origin
        Where each constituent comes from ``[jets, 200]`` int8, one of `ORIGINS`; None: not known.
    """

    particles: np.ndarray
    truth: np.ndarray
    label: np.ndarray
    ttv: int
    origin: np.ndarray | None = None


def momentum_columns(constituents: int = CONSTITUENTS) -> list[str]:
    """Return the names of the momentum columns in order.

    Examples
    --------
    >>> momentum_columns(1)
    ['E_0', 'PX_0', 'PY_0', 'PZ_0']
    """
    return [f"{component}_{number}" for number in range(constituents) for component in COMPONENTS]


def origin_columns(constituents: int = CONSTITUENTS) -> list[str]:
    """Return the names of the columns of origins in order.

    Examples
    --------
    >>> origin_columns(2)
    ['ORIGIN_0', 'ORIGIN_1']
    """
    return [f"ORIGIN_{number}" for number in range(constituents)]


_FLOATS = [*momentum_columns(), *(f"truth{component}" for component in COMPONENTS)]
_FLAGS = ["ttv", LABEL]
_ROW = [("index", "<i8"), ("values_block_0", "<f4", (len(_FLOATS),)), ("values_block_1", "<i8", (len(_FLAGS),))]
_ORIGIN_ROW = [*_ROW, ("values_block_2", "i1", (CONSTITUENTS,))]


def write_table(path: Path, blocks: Iterable[Block], *, level: int = 5) -> int:
    """Write jets as the reference set's own table, compressed with zlib, which every HDF5 library reads.

    Parameters
    ----------
    path
        File to write, in one step.
    blocks
        Jets, piece by piece; all of them with origins, or none.
    level
        Strength of the compression, 1 to 9.

    Returns
    -------
    rows
        Number of jets written.

    Raises
    ------
    DataError
        If there is no jet to write.
    """
    rest = iter(blocks)
    start = next(rest, None)
    if start is None:
        raise DataError(f"{path.name}: got 0 jets to write, expected at least 1")
    origins, rows = start.origin is not None, 0
    with new_file(path) as temporary, _pandas_table(temporary, level, origins=origins) as table:
        for block in chain([start], rest):
            if (block.origin is not None) != origins:
                raise ValueError(f"{path.name}: some blocks have origins and some don't, expected all or none")
            table.append(_records(block, rows))
            rows += len(block.particles)
        if rows == 0:
            raise DataError(f"{path.name}: got 0 jets to write, expected at least 1")
    return rows


def read_blocks(path: Path, size: int) -> Iterator[Block]:
    """Give the jets of a file that `write_table` wrote, ``size`` at a time.

    Raises
    ------
    DataError
        If it isn't such a file.
    """
    from .frames import open_frame

    with open_frame(path, KEY) as frame:
        origins = "ORIGIN_0" in frame.columns
        for start in range(0, frame.rows, size):
            rows = frame.read(start, min(start + size, frame.rows))
            floats, ttv = frame.matrix(rows, _FLOATS), frame.column(rows, "ttv")
            origin = frame.matrix(rows, origin_columns()) if origins else None
            particles = floats[:, :-4].reshape(len(rows), CONSTITUENTS, 4)
            yield Block(particles, floats[:, -4:], frame.column(rows, LABEL), int(ttv[0]), origin)


@contextlib.contextmanager
def _pandas_table(path: Path, level: int, *, origins: bool) -> Iterator[Any]:
    """Open a new table that pandas takes for its own.

    pandas itself would write the time of day into the file; without it, the same jets give the same bytes.
    """
    import pandas
    import tables

    floats = pandas.DataFrame(np.zeros((1, 4 * CONSTITUENTS + 4), np.float32), columns=_FLOATS)
    parts = [floats, pandas.DataFrame(np.zeros((1, 2), np.int64), columns=_FLAGS)]
    if origins:
        parts.append(pandas.DataFrame(np.zeros((1, CONSTITUENTS), np.int8), columns=origin_columns()))
    example = pandas.concat(parts, axis=1)
    layout: Any
    with (
        pandas.HDFStore("layout", "w", driver="H5FD_CORE", driver_core_backing_store=0) as layout,
        tables.open_file(path, "w") as file,
    ):
        layout.append(KEY, example, format="table", index=False)
        model = layout.get_node(KEY)
        group = file.create_group("/", KEY)
        filters = tables.Filters(complevel=level, complib="zlib", shuffle=True)
        table = file.create_table(
            group, "table", model.table.description, filters=filters, chunkshape=(_CHUNK,), track_times=False
        )
        model._v_attrs._f_copy(group)
        model.table.attrs._f_copy(table)
        yield table


def _records(block: Block, start: int) -> np.ndarray:
    rows = len(block.particles)
    records = np.zeros(rows, np.dtype(_ROW if block.origin is None else _ORIGIN_ROW))
    records["index"] = np.arange(start, start + rows)
    records["values_block_0"][:, :-4] = block.particles.reshape(rows, -1)
    records["values_block_0"][:, -4:] = block.truth
    records["values_block_1"][:, 0] = block.ttv
    records["values_block_1"][:, 1] = block.label
    if block.origin is not None:
        records["values_block_2"] = block.origin
    return records
