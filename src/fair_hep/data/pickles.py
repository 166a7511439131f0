"""Numpy arrays out of a compressed pickle, without running anything that the pickle asks for.

Unpickling a download runs code. Here nothing of a pickle is imported or called: a few names that numpy writes into its
pickles stand for our own record of an array, any other name is refused, and arrays are built from their bytes after
their shape and type have been checked. Sizes are bounded, so that a small file can't fill the memory.
"""

from __future__ import annotations

import bz2
import math
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ..bundle.errors import DataError

__all__ = ["LIMIT", "load_arrays"]

#: Largest size of a pickle after decompression, in bytes.
LIMIT = 4 * 2**30
#: Steps of a pickle: one makes an object, of up to some hundred bytes in memory, and one byte of bzip2 may stand for
#: millions of them. A file of the data set has some thousands.
_STEPS = 2**20
#: Bytes that one of the file may stand for: those of particles stand for less than ten.
_GROWTH, _ALLOWANCE = 1100, 64 * 2**20
_TYPES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"}
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")


def load_arrays(path: Path, *, limit: int = LIMIT) -> Any:
    """Read a bzip2-compressed pickle of numpy arrays of numbers in lists, tuples and dicts.

    Parameters
    ----------
    path
        The file.
    limit
        Largest size after decompression, in bytes.

    Returns
    -------
    content
        What was pickled, arrays read-only.

    Raises
    ------
    DataError
        If the file is missing, isn't bzip2 or isn't a pickle, was cut short, is too large, or asks for anything that
        isn't an array of numbers; the message names it.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with bz2.open(path, "rb") as file:
            stream = _Bounded(file, path.name, min(limit, _GROWTH * path.stat().st_size + _ALLOWANCE))
            content = _Unpickler(stream).load()
            return _Content(stream.count).build(content)
    except _ForbiddenError as error:
        raise DataError(f"{path.name}: asks for {error}; refused: don't use this file") from error
    except DataError:
        raise
    except EOFError as error:
        raise DataError(f"{path.name}: cut short: fetch it again") from error
    except MemoryError as error:
        raise DataError(f"{path.name}: needs more memory than there is") from error
    except OSError as error:
        raise DataError(f"{path.name}: not a file of bzip2, or damaged: fetch it again ({_line(error)})") from error
    # What isn't a pickle may make an unpickler raise anything.
    except Exception as error:
        raise DataError(f"{path.name}: not a pickle, or damaged ({type(error).__name__}: {_line(error)})") from error


class _ForbiddenError(Exception):
    """A pickle that wants more than arrays of numbers."""


class _Bounded:
    """A stream that refuses to give more than so many bytes."""

    def __init__(self, file: bz2.BZ2File, name: str, limit: int) -> None:
        self._file = file
        self._name = name
        self._limit = limit
        self.count = 0

    def read(self, size: int) -> bytes:
        # Asked before it is read: a length in a hostile pickle may be any number.
        self._ask(size)
        data = self._file.read(size)
        self.count += len(data)
        return data

    def readinto(self, buffer: memoryview | bytearray) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readline(self) -> bytes:
        line = self._file.readline(1 + self._limit - self.count)
        self._ask(len(line))
        self.count += len(line)
        return line

    def _ask(self, size: int) -> None:
        if size < 0 or self.count + size > self._limit:
            raise DataError(f"{self._name}: holds more than {self._limit / 2**20:.0f} MiB after decompression: refused")


class _Type:
    """Stands for numpy.dtype: a type as a pickle describes it."""

    def __init__(self, name: str = "", *_: Any) -> None:
        self.name = name
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]

    def checked(self) -> np.dtype[Any]:
        # What isn't text may be a tuple of tuples that stands for more than could be compared or told.
        if not isinstance(self.name, str) or not isinstance(self.order, str):
            raise _ForbiddenError("an array of a type that isn't one")
        if self.name not in _TYPES or self.order not in ("<", ">", "=", "|"):
            raise _ForbiddenError(f"an array of type {self.name[:40]!r}")
        return np.dtype(self.order.replace("|", "=") + self.name)


class _Array:
    """Stands for numpy.ndarray: an array as a pickle describes it."""

    def __init__(self, *_: Any) -> None:
        self.shape: Any = None
        self.type: Any = None
        self.order: Literal["C", "F"] = "C"
        self.data: Any = None

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.type, fortran, self.data = state
        self.order = "F" if fortran else "C"

    def size(self) -> int:
        """Return the bytes that the array takes, after checking that they are there."""
        if not isinstance(self.type, _Type) or not isinstance(self.data, bytes | bytearray):
            raise _ForbiddenError("an array of objects")
        shape = self.shape
        if not isinstance(shape, tuple) or not all(type(length) is int and length >= 0 for length in shape):
            raise _ForbiddenError("an array of a shape that isn't one")
        size = math.prod(shape) * self.type.checked().itemsize
        if size != len(self.data):
            raise _ForbiddenError(f"an array of shape {shape} in {len(self.data)} bytes")
        return size

    def build(self) -> np.ndarray:
        if not self.size():
            return np.zeros(self.shape, self.type.checked())
        # Read-only, because bytes are: a copy would double the memory.
        array: np.ndarray = np.frombuffer(bytes(self.data), self.type.checked()).reshape(self.shape, order=self.order)
        return array


def _reconstruct(*_: Any) -> _Array:
    """Stand for numpy's function that makes an empty array, to be filled by its state."""
    return _Array()


def _from_buffer(data: Any, type_: Any, shape: Any, order: Any, *_: Any) -> _Array:
    """Stand for numpy's function that makes an array from its bytes (pickle protocol 5)."""
    array = _Array()
    array.__setstate__((1, shape, type_, order == "F", data))
    return array


def _encode(text: str, encoding: str) -> bytes:
    """Stand for the function by which old protocols write bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise _ForbiddenError("_codecs.encode with another encoding than latin1")
    return text.encode("latin1")


def _empty() -> bytes:
    """Stand for the call by which old protocols write bytes of an empty array."""
    return b""


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _empty,
    **{(module, "_reconstruct"): _reconstruct for module in _NUMPY},
    **{(module, "_frombuffer"): _from_buffer for module in _NUMERIC},
}


# Typed in parts only.
_Pure: Any = pickle._Unpickler


class _Unpickler(_Pure):
    """Unpickler in Python: the one in C reserves as much memory for its memo as the pickle says."""

    def __init__(self, stream: _Bounded) -> None:
        super().__init__(stream, encoding="iso-8859-1")
        self.steps = 0

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise _ForbiddenError(f"{module}.{name}")
        return _KNOWN[module, name]

    def _bytes(self) -> None:
        """Read a byte array of protocol 5, which the standard unpickler makes before it knows that it is there."""
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(length)))

    def _build(self) -> None:
        """Give an object its state; only our own records have one: a class must not be changed."""
        state = self.stack.pop()
        if not isinstance(self.stack[-1], _Array | _Type):
            raise _ForbiddenError("an object with a state")
        self.stack[-1].__setstate__(state)

    def _put(self, number: int) -> None:
        """Remember the last object; an unpickler in C, which may come after us, makes room for all lower numbers."""
        if not 0 <= number <= self.steps:
            raise _ForbiddenError(f"a memo of {number} entries")
        self.memo[number] = self.stack[-1]

    def _text_put(self) -> None:
        self._put(int(self.readline()[:-1]))

    def _short_put(self) -> None:
        self._put(self.read(1)[0])

    def _long_put(self) -> None:
        self._put(struct.unpack("<I", self.read(4))[0])

    def _item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][_named(key)] = value

    def _items(self) -> None:
        self._fill(self.pop_mark())

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._fill(items)

    def _fill(self, items: list[Any]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][_named(key)] = value

    dispatch: ClassVar[dict[int, Callable[..., None]]] = {}


def _named(key: Any) -> Any:
    """Return a key of a dict; a tuple of tuples may stand for more than could be hashed."""
    if not isinstance(key, str | bytes | int | float | None):
        raise _ForbiddenError(f"a dict with a key of type {type(key).__name__.strip('_')}")
    return key


def _refusing(what: str) -> Callable[[_Unpickler], None]:
    def refuse(_: _Unpickler) -> None:
        raise _ForbiddenError(what)

    return refuse


def _counted(step: Callable[[_Unpickler], None]) -> Callable[[_Unpickler], None]:
    def counted(unpickler: _Unpickler) -> None:
        unpickler.steps += 1
        if unpickler.steps > _STEPS:
            raise _ForbiddenError(f"more than {_STEPS:,} objects")
        step(unpickler)

    return counted


_OWN: dict[bytes, Callable[[_Unpickler], None]] = {
    pickle.BYTEARRAY8: _Unpickler._bytes,
    pickle.BUILD: _Unpickler._build,
    pickle.PUT: _Unpickler._text_put,
    pickle.BINPUT: _Unpickler._short_put,
    pickle.LONG_BINPUT: _Unpickler._long_put,
    pickle.SETITEM: _Unpickler._item,
    pickle.SETITEMS: _Unpickler._items,
    pickle.DICT: _Unpickler._dict,
    **dict.fromkeys((pickle.EXT1, pickle.EXT2, pickle.EXT4), _refusing("an object of the extension registry")),
    **dict.fromkeys((pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET), _refusing("a set")),
    **dict.fromkeys((pickle.PERSID, pickle.BINPERSID), _refusing("a persistent name")),
    **dict.fromkeys((pickle.NEXT_BUFFER, pickle.READONLY_BUFFER), _refusing("a buffer from elsewhere")),
    **dict.fromkeys((pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX), _refusing("an object of a class")),
}
_Unpickler.dispatch = {
    code: _counted(step) for code, step in {**_Pure.dispatch, **{code[0]: step for code, step in _OWN.items()}}.items()
}


class _Content:
    """Lists, tuples and dicts of arrays, gone through with an eye on how much there is."""

    def __init__(self, read: int) -> None:
        # Every real entry takes a byte in the file and every real array its own bytes; names of what was there before
        # take next to nothing, so that a small file could ask for as much as it likes.
        self._entries_left = self._bytes_left = read

    def build(self, content: Any) -> Any:
        """Return the same with arrays in their places, and lists for tuples."""
        self._entries_left -= 1
        if isinstance(content, _Array):
            self._bytes_left -= content.size()
        if self._entries_left < 0 or self._bytes_left < 0:
            raise _ForbiddenError("the same array again and again")
        if isinstance(content, _Array):
            return content.build()
        if isinstance(content, dict):
            return {key: self.build(value) for key, value in content.items()}
        if isinstance(content, list | tuple):
            return [self.build(value) for value in content]
        if isinstance(content, str | bytes | int | float | None):
            return content
        raise _ForbiddenError(f"an object of type {type(content).__name__.strip('_')}")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
