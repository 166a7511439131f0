"""A memory-mapped store of one split: arrays with one entry per example, and ragged arrays with any number of rows.

On disk a store is a folder of plain ``.npy`` files and ``store.json``: ``label.npy`` ``[n]`` for an array,
``particles.npy`` ``[total, columns]`` with ``particles.offsets.npy`` ``[n + 1]`` for a ragged array. numpy reads every
one of them without this module. Rows of example ``i`` are ``offsets[i]`` to ``offsets[i + 1]``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..bundle.errors import DataError
from ..bundle.files import new_folder, sha256, write_json
from ..bundle.text import parse_json
from .ragged import Ragged

__all__ = ["FILE", "Ragged", "Store", "StoreWriter", "write_store"]

#: Written last: a folder without it is no store.
FILE = "store.json"
_FORMAT = 1
# A fixed length leaves room for the number of rows, which is known at the end only.
_HEADER = 128


class StoreWriter:
    """Appends chunks of examples to a store, in memory that doesn't grow. Made by `write_store`."""

    def __init__(self, folder: Path, files: contextlib.ExitStack) -> None:
        self._folder = folder
        self._files = files
        self._streams: dict[str, _Stream] = {}
        self._arrays: set[str] = set()
        self._ragged: dict[str, int] = {}
        self.count = 0

    def append(self, **chunk: np.ndarray | Ragged) -> None:
        """Append some examples: every array and ragged array by name, the same names and types in every call.

        Raises
        ------
        ValueError
            If names, types, shapes or numbers of examples differ.
        """
        lengths = {len(part) for part in chunk.values()}
        if len(lengths) != 1:
            raise ValueError(f"got parts of {sorted(lengths)} examples, expected one number")
        arrays = {name for name, part in chunk.items() if not isinstance(part, Ragged)}
        if self.count and (arrays != self._arrays or chunk.keys() - arrays != self._ragged.keys()):
            raise ValueError(f"got {sorted(chunk)}, expected {sorted([*self._arrays, *self._ragged])}")
        self._arrays = arrays
        for name, part in chunk.items():
            if isinstance(part, Ragged):
                self._append_ragged(name, part)
            else:
                self._stream(name, part).append(part)
        self.count += lengths.pop()

    def _append_ragged(self, name: str, part: Ragged) -> None:
        values = part.values[part.offsets[0] :]
        offsets = part.offsets.astype(np.int64) - part.offsets[0]
        if name not in self._ragged:
            self._ragged[name] = 0
            self._stream(_offsets(name), offsets).append(offsets[:1])
        stream = self._stream(name, values)
        self._stream(_offsets(name), offsets).append(offsets[1:] + stream.rows)
        stream.append(values)
        self._ragged[name] = max(self._ragged[name], int(part.counts().max(initial=0)))

    def _stream(self, name: str, like: np.ndarray) -> _Stream:
        if name not in self._streams:
            file = self._files.enter_context((self._folder / f"{name}.npy").open("wb"))
            self._streams[name] = _Stream(file, like)
        return self._streams[name]

    def finish(self, source: Mapping[str, Any]) -> None:
        """Complete the files and write ``store.json``.

        Raises
        ------
        DataError
            If nothing was appended.
        """
        if not self.count:
            raise DataError("got 0 examples, expected at least 1: there is nothing to store")
        for stream in self._streams.values():
            stream.finish()
        self._files.close()
        description = {
            "format": _FORMAT,
            "count": self.count,
            "arrays": {name: self._streams[name].describe() for name in sorted(self._arrays)},
            "ragged": {
                name: {**self._streams[name].describe(), "longest": longest}
                for name, longest in sorted(self._ragged.items())
            },
            "sha256": {f"{name}.npy": sha256(self._folder / f"{name}.npy") for name in sorted(self._streams)},
            "source": dict(source),
        }
        write_json(self._folder / FILE, description)


class _Stream:
    """One growing ``.npy`` file."""

    def __init__(self, file: BinaryIO, like: np.ndarray) -> None:
        self.file = file
        self.dtype = like.dtype.newbyteorder("<")
        self.shape = like.shape[1:]
        self.rows = 0
        file.write(bytes(_HEADER))

    def append(self, values: np.ndarray) -> None:
        if values.shape[1:] != self.shape or values.dtype.newbyteorder("<") != self.dtype:
            raise ValueError(f"got {values.dtype} {values.shape[1:]}, expected {self.dtype} {self.shape}")
        np.ascontiguousarray(values, self.dtype).tofile(self.file)
        self.rows += len(values)

    def finish(self) -> None:
        # The layout of .npy version 1.0: magic, version, length of the header, the header as a Python literal.
        literal = repr({"descr": self.dtype.str, "fortran_order": False, "shape": (self.rows, *self.shape)})
        text = literal.encode("ascii").ljust(_HEADER - 11) + b"\n"
        self.file.seek(0)
        self.file.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
        self.file.flush()

    def describe(self) -> dict[str, Any]:
        return {"dtype": self.dtype.str, "shape": [self.rows, *self.shape]}


@contextlib.contextmanager
def write_store(folder: Path, source: Mapping[str, Any]) -> Iterator[StoreWriter]:
    """Write a store: it takes the place of ``folder`` in one step at the end; after an error nothing remains.

    Parameters
    ----------
    folder
        Folder of the store.
    source
        Where the data come from, as JSON values; may be filled until the end of the ``with`` block.

    Raises
    ------
    DataError
        If nothing was appended.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp()) / "train"
    >>> with write_store(folder, {}) as writer:
    ...     writer.append(label=np.array([1, 0]), rows=Ragged.from_counts(np.ones((3, 4)), np.array([2, 1])))
    >>> store = Store(folder)
    >>> len(store), store.ragged("rows").padded(np.array([1, 0])).shape
    (2, (2, 2, 4))
    """
    with new_folder(folder) as temporary, contextlib.ExitStack() as files:
        writer = StoreWriter(temporary, files)
        yield writer
        writer.finish(source)


class Store:
    """A store, opened read-only and memory-mapped: data are read from disk when they are used.

    It can be sent to other processes: they open the same files.

    Parameters
    ----------
    folder
        Folder of the store.

    Raises
    ------
    DataError
        If the store is missing, unfinished, cut short or of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.description = self._describe()
        self._arrays = {name: self._map(name, about) for name, about in self.description["arrays"].items()}
        self._ragged = {name: self._map_ragged(name, about) for name, about in self.description["ragged"].items()}

    def __reduce__(self) -> tuple[type[Store], tuple[Path]]:
        return Store, (self.folder,)

    def __len__(self) -> int:
        return int(self.description["count"])

    @property
    def source(self) -> dict[str, Any]:
        """Where the data come from."""
        return dict(self.description["source"])

    def has(self, name: str) -> bool:
        """Return whether there is an array or a ragged array of this name."""
        return name in self._arrays or name in self._ragged

    def array(self, name: str) -> np.ndarray:
        """Return an array with one entry per example, ``[n, ...]``."""
        return self._arrays[self._known(name, self._arrays)]

    def ragged(self, name: str) -> Ragged:
        """Return a ragged array."""
        return self._ragged[self._known(name, self._ragged)]

    def longest(self, name: str) -> int:
        """Return the largest number of rows that one example of a ragged array has."""
        return int(self.description["ragged"][self._known(name, self._ragged)]["longest"])

    def verify(self) -> None:
        """Compare every file with its checksum; reads all of them.

        Raises
        ------
        DataError
            If a file was changed.
        """
        for name, expected in self.description["sha256"].items():
            if sha256(self.folder / name) != expected:
                raise DataError(f"{self.folder / name}: changed since it was made: run `data` again")

    def _known(self, name: str, parts: Mapping[str, object]) -> str:
        if name not in parts:
            raise DataError(f"{self.folder}: has no {name!r}, only {sorted(parts)}: run `data` again")
        return name

    def _describe(self) -> dict[str, Any]:
        path = self.folder / FILE
        try:
            description = parse_json(path.read_bytes())
        except FileNotFoundError as error:
            raise DataError(f"{path} is missing: run `data` first") from error
        except ValueError as error:
            raise DataError(f"{path}: not readable as JSON: run `data` again") from error
        keys = {"count", "arrays", "ragged", "sha256", "source"}
        if not isinstance(description, dict) or description.get("format") != _FORMAT or not keys <= description.keys():
            raise DataError(f"{path}: not a store of format {_FORMAT}: run `data` again")
        return description

    def _map(self, name: str, about: Mapping[str, Any]) -> np.ndarray:
        path = self.folder / f"{name}.npy"
        expected = (np.dtype(about["dtype"]), tuple(about["shape"]))
        try:
            empty = 0 in expected[1]
            array: np.ndarray = np.load(path, mmap_mode=None if empty else "r", allow_pickle=False)
        except (EOFError, OSError, ValueError) as error:
            raise DataError(f"{path}: missing or cut short: run `data` again") from error
        if (array.dtype, array.shape) != expected:
            found = f"{array.dtype} {array.shape}"
            raise DataError(f"{path}: got {found}, expected {expected[0]} {expected[1]}: run `data` again")
        # A plain array view: numpy's memmap class slows down indexing threefold.
        return array.view(np.ndarray)

    def _map_ragged(self, name: str, about: Mapping[str, Any]) -> Ragged:
        offsets = self._map(_offsets(name), {"dtype": "<i8", "shape": [len(self) + 1]})
        return Ragged(self._map(name, about), offsets)


def _offsets(name: str) -> str:
    return f"{name}.offsets"
