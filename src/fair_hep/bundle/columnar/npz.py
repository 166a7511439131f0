"""Archives of arrays that numpy wrote (.npz), read row by row and never unpickled."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..arrays import check_total, header
from ..errors import DataError
from ..reading import reading
from .source import Column, Source, same_length

__all__ = ["open_npz"]


class _Npz(Source):
    def __init__(self, name: str, archive: zipfile.ZipFile) -> None:
        super().__init__(name)
        self.archive = archive
        self._columns = [entry.removesuffix(".npy") for entry in archive.namelist() if entry.endswith(".npy")]

    @property
    def columns(self) -> list[str]:
        return self._columns

    def rows(self, names: Sequence[str]) -> int:
        with contextlib.ExitStack() as stack:
            found = {name: place[0] for name in names if (place := self.base(name))}
            rows = {name: _NpyStream(self, base, stack).shape[0] for name, base in found.items()}
        same_length(self.name, rows)
        return next(iter(rows.values()))

    def chunks(self, names: Sequence[str], size: int, start: int = 0) -> Iterator[dict[str, Column]]:
        found = {name: place for name in names if (place := self.base(name))}
        with contextlib.ExitStack() as stack:
            streams = {base: _NpyStream(self, base, stack) for base, _ in found.values()}
            same_length(self.name, {name: stream.shape[0] for name, stream in streams.items()})
            for stream in streams.values():
                stream.skip(start)
            for first in range(start, next(iter(streams.values())).shape[0], size):
                rows = {base: stream.read(first, size) for base, stream in streams.items()}
                yield {name: self.array(name, rows[base], entry) for name, (base, entry) in found.items()}


class _NpyStream:
    """One array of an archive, read row by row: memory doesn't grow with the array."""

    def __init__(self, source: _Npz, name: str, stack: contextlib.ExitStack) -> None:
        self.source, self.name = source, name
        with reading(source.name, "an archive of arrays"):
            entry = source.archive.getinfo(f"{name}.npy")
            self.stream = stack.enter_context(source.archive.open(entry))
            self.shape, columnwise, self.dtype = header(self.stream, entry, source.name)
        if self.dtype.kind not in "fiub":
            raise DataError(f"{source.name}: array {name}: got type {self.dtype}, expected numbers")
        if not self.shape or (columnwise and len(self.shape) > 1):
            raise DataError(
                f"{source.name}: array {name}: expected rows in C order: save numpy.ascontiguousarray of it"
            )

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return int(np.prod(self.shape[1:], dtype=object)) * self.dtype.itemsize

    def skip(self, rows: int) -> None:
        """Go past so many rows; what is compressed is unpacked on the way, and dropped."""
        with reading(self.source.name, "an archive of arrays"):
            self.stream.seek(min(rows, self.shape[0]) * self.width, io.SEEK_CUR)

    def read(self, start: int, size: int) -> np.ndarray:
        rows, width = min(size, self.shape[0] - start), self.width
        with reading(self.source.name, "an archive of arrays"):
            data = self.stream.read(rows * width)
        if len(data) != rows * width:
            row = start + len(data) // width
            raise DataError(f"{self.source.name}: array {self.name}: ends in row {row}: it is cut short")
        return np.frombuffer(data, self.dtype).reshape(rows, *self.shape[1:])


@contextlib.contextmanager
def open_npz(path: Path, _: str | None) -> Iterator[Source]:
    """Open such a file."""
    with reading(path.name, "an .npz archive"):
        archive = zipfile.ZipFile(path)
    with archive:
        check_total(path, archive)
        yield _Npz(path.name, archive)
