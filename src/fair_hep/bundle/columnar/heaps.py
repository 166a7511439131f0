"""Heaps of HDF5 files, where the lists lie: walked by ourselves before HDF5 does, which doesn't end in a damaged one.

A collection is ``GCOL``, version 1, three zeros, its size in 8 bytes; then objects: index and references in 2 bytes
each, 4 zeros, size in 8 bytes, content filled up to a multiple of 8. Index 0 is what is free, its size includes its
head (HDF5 File Format Specification 3.0, III.E).
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from ..errors import DataError

__all__ = ["check_heaps"]

_SIGNATURE = b"GCOL\x01\x00\x00\x00"
_HEAD = struct.Struct("<HHIQ")


def check_heaps(path: Path) -> None:
    """Refuse a file with a heap in which nobody could go from object to object up to its end.

    Raises
    ------
    DataError
        If there is one.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(_SIGNATURE)
        while place >= 0:
            if not _walked(content, place):
                raise DataError(f"{path.name}: damaged: its lists lie in a heap without an end; fetch it again")
            place = content.find(_SIGNATURE, place + 1)


def _walked(content: mmap.mmap, place: int) -> bool:
    """Say whether the objects of a collection follow each other up to its end."""
    if place + 16 > len(content):
        return False
    (size,) = struct.unpack_from("<Q", content, place + 8)
    at, end = place + 16, place + size
    if end > len(content):
        return False
    while at + _HEAD.size <= end:
        index, _, _, length = _HEAD.unpack_from(content, at)
        step = length if index == 0 else _HEAD.size + -(-length // 8) * 8
        if step < _HEAD.size:
            return False
        at += step
    return at <= end
