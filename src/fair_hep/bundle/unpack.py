"""Unpack an archive from strangers: plain files below one top folder, or nothing."""

from __future__ import annotations

import contextlib
import re
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from .errors import DataError
from .http import CHUNK, readable
from .reading import reading

__all__ = ["unpack"]

#: An archive may not grow by more than this when it is unpacked, nor hold more files: weights hardly shrink.
_GROWTH, _ALLOWANCE, _FILES = 50, 64 * 2**20, 10_000


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a bundle's archive: plain files below one top folder, which is left out.

    Raises
    ------
    DataError
        If it isn't a zip file, or holds a link, a name that leads elsewhere, a name twice, or far more than it weighs.
    """
    with _reading(archive):
        opened = zipfile.ZipFile(archive)
    with opened:
        with _reading(archive):
            entries = [entry for entry in opened.infolist() if not entry.is_dir()]
        _check_entries(archive, entries)
        for entry in entries:
            target = folder.joinpath(*PurePosixPath(entry.filename).parts[1:])
            with _reading(archive):
                stream = opened.open(entry)
            with stream, _new(target, archive) as into:
                _copy(archive, stream, into, entry)


@contextlib.contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Turn whatever is wrong with the archive into one line; where it is written to is another matter."""
    try:
        with reading(archive.name, "a zip file"):
            yield
    except DataError as error:
        raise DataError(f"{error}; can't be unpacked: the archive is damaged or not a bundle") from error.__cause__


def _new(target: Path, archive: Path) -> IO[bytes]:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise DataError(f"{archive.name}: can't be unpacked: {target.name!r} is a file and a folder there") from error


def _check_entries(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    problem, size = None, archive.stat().st_size
    names = [entry.filename for entry in entries]
    unpacked = sum(entry.file_size for entry in entries)
    tops = {PurePosixPath(name).parts[:1] for name in names}
    if odd := next((name for name in names if not _plain(name)), None):
        problem = f"the name {odd[:80]!r} leads elsewhere"
    elif link := next((entry.filename for entry in entries if not _regular(entry)), None):
        problem = f"{link[:80]!r} is a link or a device"
    elif len({name.lower() for name in names}) != len(names):
        problem = "a name is there twice"
    elif len(tops) != 1:
        problem = f"expected one top folder, got {len(tops)}"
    elif len(names) > _FILES or unpacked > _GROWTH * size + _ALLOWANCE:
        problem = f"{len(names)} files of {readable(unpacked)} in an archive of {readable(size)}"
    if problem:
        raise DataError(f"{archive.name}: {problem}: nothing was unpacked, don't trust it")


def _plain(name: str) -> bool:
    """Tell whether a name in an archive stays below its top folder, on every system."""
    parts = name.split("/")
    return (
        len(parts) > 1
        and not re.search(r'[\\:\x00-\x1f<>"|?*]', name)
        and all(part and part not in (".", "..") for part in parts)
        and not any(part.endswith((" ", ".")) for part in parts)
    )


def _regular(entry: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return kind in (0, stat.S_IFREG) and not entry.flag_bits & 0x1


def _copy(archive: Path, stream: IO[bytes], into: IO[bytes], entry: zipfile.ZipInfo) -> None:
    size = entry.file_size
    while True:
        with _reading(archive):
            chunk = stream.read(CHUNK)
        if not chunk:
            return
        size -= len(chunk)
        if size < 0:
            raise DataError(f"{entry.filename[:80]}: larger than the archive says; don't trust it")
        into.write(chunk)
