"""Columns of ROOT, Parquet, HDF5 and .npz files, by name and some rows at a time; nothing in a file is ever run.

A column is one number for each row, or a list of numbers: a vector branch, a list column, an array with a second axis.
``X[2]`` names the third entry along the last axis of an array ``X`` of three axes; ``tracks/pt`` a field of a
structured HDF5 data set.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from ..errors import DataError
from ..extras import need
from .hdf5 import open_hdf5
from .npz import open_npz
from .parquet import open_parquet
from .root import open_root
from .source import Column, Lists, Source, rows_of

__all__ = ["SUFFIXES", "Column", "Lists", "Source", "open_columns", "rows_of"]

_Opener: TypeAlias = Callable[[Path, "str | None"], contextlib.AbstractContextManager[Source]]
#: Every suffix with what opens it, and what that needs.
_OPENERS: dict[str, tuple[_Opener, tuple[str, ...]]] = {
    ".root": (open_root, ("awkward", "uproot")),
    ".parquet": (open_parquet, ("pyarrow",)),
    ".h5": (open_hdf5, ("h5py",)),
    ".hdf5": (open_hdf5, ("h5py",)),
    ".npz": (open_npz, ()),
}
SUFFIXES = tuple(_OPENERS)


@contextlib.contextmanager
def open_columns(path: Path, tree: str | None = None) -> Iterator[Source]:
    """Open a file by its suffix.

    Parameters
    ----------
    path
        A file with one of `SUFFIXES`.
    tree
        Name of the tree, for ROOT files with more than one.

    Raises
    ------
    DataError
        If it is missing, of another kind, can't be opened, or has no such tree; or if a library isn't installed.
    """
    opener, libraries = _OPENERS.get(path.suffix.lower(), (None, ()))
    if opener is None:
        raise DataError(f"{path.name}: got suffix {path.suffix!r}, expected one of {', '.join(_OPENERS)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    need(f"reading {path.suffix}", libraries, "files")
    with opener(path, tree) as source:
        yield source
