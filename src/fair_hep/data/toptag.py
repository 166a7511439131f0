"""The table of the Top Quark Tagging reference set: HDF5 as pandas writes it, under the key ``table``.

806 columns: ``E_0, PX_0, PY_0, PZ_0 ... E_199, PX_199, PY_199, PZ_199`` (GeV, sorted by falling pT, zero-padded),
``truthE, truthPX, truthPY, truthPZ`` (of the top quark; 0 for QCD), ``ttv`` (0 train, 1 test, 2 validation: redundant)
and ``is_signal_new`` (1 top, 0 QCD). Reference: doi:10.5281/zenodo.2603256.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.errors import DataError
from ..bundle.files import new_file

__all__ = ["COMPONENTS", "CONSTITUENTS", "KEY", "LABEL", "ORIGINS", "TTV", "Block", "momentum_columns", "write_table"]

KEY = "table"
LABEL = "is_signal_new"
CONSTITUENTS = 200
COMPONENTS = ("E", "PX", "PY", "PZ")
#: Where a constituent comes from, as int8 codes: a quark of the top's decay; several of these (shared); a side of a QCD
#: jet's leading splitting; or none of them.
ORIGINS = {"none": 0, "b": 1, "q": 2, "q'": 3, "shared": 4, "first side": 5, "second side": 6}
#: What the column ``ttv`` holds in each split.
TTV = {"train": 0, "test": 1, "val": 2}
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
    """

    particles: np.ndarray
    truth: np.ndarray
    label: np.ndarray
    ttv: int


def momentum_columns(constituents: int = CONSTITUENTS) -> list[str]:
    """Return the names of the momentum columns in order.

    Examples
    --------
    >>> momentum_columns(1)
    ['E_0', 'PX_0', 'PY_0', 'PZ_0']
    """
    return [f"{component}_{number}" for number in range(constituents) for component in COMPONENTS]


_FLOATS = [*momentum_columns(), *(f"truth{component}" for component in COMPONENTS)]
_FLAGS = ["ttv", LABEL]
_ROW = np.dtype([("index", "<i8"), ("values_block_0", "<f4", len(_FLOATS)), ("values_block_1", "<i8", len(_FLAGS))])


def write_table(path: Path, blocks: Iterable[Block], *, level: int = 5) -> int:
    """Write jets as the reference set's own table, compressed with zlib, which every HDF5 library reads.

    Parameters
    ----------
    path
        File to write, in one step.
    blocks
        Jets, piece by piece.
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
    rows = 0
    with new_file(path) as temporary:
        with _pandas_table(temporary, level) as table:
            for block in blocks:
                table.append(_records(block, rows))
                rows += len(block.particles)
        if rows == 0:
            raise DataError(f"{path.name}: got 0 jets to write, expected at least 1")
    return rows


@contextlib.contextmanager
def _pandas_table(path: Path, level: int) -> Iterator[Any]:
    """Open a new table that pandas takes for its own.

    pandas itself would write the time of day into the file; without it, the same jets give the same bytes.
    """
    import pandas
    import tables

    floats = pandas.DataFrame(np.zeros((1, 4 * CONSTITUENTS + 4), np.float32), columns=_FLOATS)
    example = pandas.concat([floats, pandas.DataFrame(np.zeros((1, 2), np.int64), columns=_FLAGS)], axis=1)
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
    records = np.zeros(rows, _ROW)
    records["index"] = np.arange(start, start + rows)
    records["values_block_0"][:, :-4] = block.particles.reshape(rows, -1)
    records["values_block_0"][:, -4:] = block.truth
    records["values_block_1"][:, 0] = block.ttv
    records["values_block_1"][:, 1] = block.label
    return records
