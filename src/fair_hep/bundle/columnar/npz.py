"""Archives of arrays that numpy wrote (.npz), read row by row and never unpickled."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import DataError
from .source import Column, Source, line, same_length

__all__ = ["open_npz"]


class _Npz(Source):
    def __init__(self, name: str, archive: zipfile.ZipFile) -> None:
        super().__init__(name)
        self.archive = archive
        self._columns = [entry.removesuffix(".npy") for entry in archive.namelist() if entry.endswith(".npy")]

    @property
    def columns(self) -> list[str]:
        return self._columns

    def chunks(self, names: Sequence[str], size: int) -> Iterator[dict[str, Column]]:
        found = {name: place for name in names if (place := self.base(name))}
        with contextlib.ExitStack() as stack:
            streams = {base: _NpyStream(self, base, stack) for base, _ in found.values()}
            same_length(self.name, {name: stream.shape[0] for name, stream in streams.items()})
            for start in range(0, next(iter(streams.values())).shape[0], size):
                rows = {base: stream.read(start, size) for base, stream in streams.items()}
                yield {name: self.array(name, rows[base], entry) for name, (base, entry) in found.items()}


class _NpyStream:
    """One array of an archive, read row by row: memory doesn't grow with the array."""

    def __init__(self, source: _Npz, name: str, stack: contextlib.ExitStack) -> None:
        self.source, self.name = source, name
        try:
            self.stream = stack.enter_context(source.archive.open(f"{name}.npy"))
            version = np.lib.format.read_magic(self.stream)
            readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            if version not in readers:
                raise ValueError(f"version {version} of .npy isn't known")
            self.shape, columnwise, self.dtype = readers[version](self.stream)
        except (ValueError, OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error) as error:
            raise source.damaged(error) from error
        if self.dtype.hasobject or self.dtype.kind not in "fiub":
            raise DataError(
                f"{source.name}: array {name}: got type {self.dtype}, expected numbers; objects would have to be "
                "unpickled, which may run any code"
            )
        if not self.shape or (columnwise and len(self.shape) > 1):
            raise DataError(
                f"{source.name}: array {name}: expected rows in C order: save numpy.ascontiguousarray of it"
            )

    def read(self, start: int, size: int) -> np.ndarray:
        rows = min(size, self.shape[0] - start)
        width = int(np.prod(self.shape[1:], dtype=object)) * self.dtype.itemsize
        try:
            data = self.stream.read(rows * width)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise self.source.damaged(error) from error
        if len(data) != rows * width:
            row = start + len(data) // width
            raise DataError(f"{self.source.name}: array {self.name}: ends in row {row}: it is cut short")
        return np.frombuffer(data, self.dtype).reshape(rows, *self.shape[1:])


@contextlib.contextmanager
def open_npz(path: Path, _: str | None) -> Iterator[Source]:
    """Open such a file."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path.name}: not an .npz archive: {line(error)}") from error
    with archive:
        yield _Npz(path.name, archive)
