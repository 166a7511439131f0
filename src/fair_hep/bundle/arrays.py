"""Archives of arrays (``.npz``): what their headers claim, held against what is there before anything is made."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from .errors import DataError
from .reading import check_growth

__all__ = ["check_sizes", "check_total", "header"]

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def check_sizes(path: Path) -> None:
    """Refuse an archive whose arrays claim more than its entries hold, or entries more than the file can.

    Raises
    ------
    DataError
        If one does, or holds objects.
    """
    with zipfile.ZipFile(path) as archive:
        check_total(path, archive)
        for entry in archive.infolist():
            with archive.open(entry) as stream:
                header(stream, entry, path.name)


def check_total(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive whose entries, all together, are larger than its bytes allow; the same error."""
    check_growth(path.name, sum(entry.file_size for entry in archive.infolist()), path.stat().st_size)


def header(stream: IO[bytes], entry: zipfile.ZipInfo, name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read the header of an array in an archive.

    Parameters
    ----------
    stream, entry
        The open entry, and what the archive says of it.
    name
        Name of the archive, for messages.

    Returns
    -------
    shape, columnwise, dtype
        Of the array; whether columns come first.

    Raises
    ------
    ValueError
        If it isn't a header.
    DataError
        If it claims another size than the entry has, or objects.
    """
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of .npy isn't known")
    shape, columnwise, dtype = _HEADERS[version](stream)
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(f"got shape {shape}, expected lengths of 0 or more")
    where, holds = f"{name}: array {entry.filename.removesuffix('.npy')[:80]}", entry.file_size - stream.tell()
    if dtype.hasobject:
        raise DataError(
            f"{where}: got type {dtype}, expected numbers; objects would have to be unpickled, which may run any code"
        )
    if math.prod(shape) * dtype.itemsize != holds:
        raise DataError(f"{where}: claims {dtype} {list(shape)} and holds {holds} bytes: damaged or cut short")
    # Rows without entries take no bytes, but time.
    check_growth(where, shape[0] if shape else 0, entry.compress_size)
    return shape, columnwise, dtype
