"""Read examples from files as people have them: the published layout, Parquet with Awkward lists, ROOT, ``.npz``.

In Parquet and ROOT every column of an input is a list column (or branch) of its name, one row per example; where names
differ, a map says which is which (`mapped`). An ``.npz`` file holds an array for each input, as ``examples/inputs.npz``
in every bundle does: padded with zeros at the end.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from .columnar import SUFFIXES, open_columns
from .columnar.parquet import WHAT as PARQUET
from .columnar.parquet import open_parquet
from .columnar.root import TREES, entries, opened
from .columnar.root import WHAT as ROOT
from .columns import OTHER_NAMES, Columns
from .errors import BundleError, DataError
from .extras import need
from .folder import read_arrays
from .inputs import cut
from .mapped import mapped_rows, read_mapped
from .reading import reading
from .signature import Signature, TensorSpec

__all__ = ["Examples", "OwnFiles", "chunk_lengths", "read_examples"]

#: Axes of an input whose columns are lists: examples, elements, columns.
_LISTED = 3
#: By name of the input, one array for each example.
Examples = Mapping[str, Sequence[np.ndarray]]
Options = Mapping[str, Any]


class OwnFiles(Protocol):
    """What knows files of the published layout of a model: its recipe."""

    suffixes: tuple[str, ...]

    def read(self, file: Path, size: int, **options: Any) -> Iterator[Examples]:
        """Read the required inputs, ``size`` examples at a time; from the row ``start`` on, if it takes that."""

    def rows(self, file: Path, **options: Any) -> int | None:
        """Return how many examples a file has, if that is known without reading them."""


class _Reader(NamedTuple):
    """What reads files of one kind: examples, so many rows at a time, from one on; and how many rows there are."""

    read: Callable[[Path, Signature, int, int], Iterator[Examples]]
    rows: Callable[[Path, Signature], int | None]
    libraries: tuple[str, ...] = ()


def read_examples(
    path: Path,
    signature: Signature,
    size: int,
    *,
    own: OwnFiles | None = None,
    options: Options | None = None,
    columns: Columns | None = None,
    start: int = 0,
) -> Iterator[Examples]:
    """Read examples from a file, ``size`` at a time.

    Parameters
    ----------
    path, signature
        The file, and which columns it must have.
    size
        Examples at a time; rows, where a row holds several.
    own
        Reads files of the model's published layout; None: columns of the inputs' names are all that is known.
    options
        Those of its ``read``.
    columns
        Which columns of the file are what; then nothing else is asked. None: they have the names of the inputs.
    start
        The first row, a multiple of ``size``: what comes from there on is what comes without it. Rows before it aren't
        read where the kind of file allows that; there may be none after it.

    Raises
    ------
    ConfigError
        If the map doesn't give what the model takes.
    DataError
        If the file is missing, of a kind that isn't known, can't be read, lacks columns (the line names those found),
        or holds no examples.
    """
    reader = _reader(path, own, options, columns)
    empty = start == 0
    for examples in reader.read(path, signature, size, start):
        if len(examples[signature.inputs[0].name]):
            empty = False
            yield examples
    if empty:
        raise DataError(f"{path.name}: got 0 {signature.inputs[0].axes[0]}, expected at least 1")


def chunk_lengths(
    path: Path,
    signature: Signature,
    size: int,
    *,
    own: OwnFiles | None = None,
    options: Options | None = None,
    columns: Columns | None = None,
) -> list[int]:
    """Return how many examples each ``size`` rows of a file hold, in order.

    Examples are read for that only where the file doesn't tell their number. The parameters and errors are those of
    `read_examples`.
    """
    reader = _reader(path, own, options, columns)
    rows = reader.rows(path, signature)
    if rows is None:
        first = signature.inputs[0].name
        return [len(examples[first]) for examples in reader.read(path, signature, size, 0)]
    return [min(size, rows - start) for start in range(0, rows, size)]


def _reader(path: Path, own: OwnFiles | None, options: Options | None, columns: Columns | None) -> _Reader:
    """Return what reads a file, if that is known, the file is there and so are the libraries that it needs."""
    known = dict(_READERS)
    if own is not None:
        known = {suffix: _published(suffix, own, options or {}) for suffix in own.suffixes} | {
            suffix: reader for suffix, reader in _READERS.items() if suffix not in own.suffixes
        }
    if columns is not None:
        known = dict.fromkeys(SUFFIXES, _mapped(columns))
    reader = known.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path.name}: got suffix {path.suffix!r}, expected one of {', '.join(known)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    need(f"reading {path.suffix}", reader.libraries, "files")
    return reader


def _mapped(columns: Columns) -> _Reader:
    """Return what reads files by a map."""

    def read(path: Path, signature: Signature, size: int, start: int) -> Iterator[Examples]:
        return read_mapped(path, signature, size, columns, start)

    return _Reader(read, partial(mapped_rows, columns=columns))


def _published(suffix: str, own: OwnFiles, options: Options) -> _Reader:
    """Return what reads files of a model's published layout."""
    skips = "start" in inspect.signature(own.read).parameters

    def read(path: Path, signature: Signature, size: int, start: int) -> Iterator[Examples]:
        if skips:
            return own.read(path, size, start=start, **options)
        return islice(own.read(path, size, **options), start // size, None)

    def rows(path: Path, signature: Signature) -> int | None:
        return own.rows(path, **options) if skips else None

    return _Reader(read, rows, _LIBRARIES.get(suffix, ()))


def _parquet_rows(path: Path, signature: Signature) -> int:
    with open_parquet(path, None) as source:
        return source.rows(source.columns)


def _parquet(path: Path, signature: Signature, size: int, start: int) -> Iterator[Examples]:
    import awkward

    with open_parquet(path, None) as source:
        names = _names(path, signature, source.columns)
        for batch in source.batches(list(names.values()), size, start):
            with reading(path.name, PARQUET):
                columns = {name: awkward.from_arrow(batch.column(found)) for name, found in names.items()}
                examples = _examples(path, signature, columns)
            yield examples


@contextlib.contextmanager
def _tree(path: Path, signature: Signature) -> Iterator[Any]:
    """Open the tree that has most of the wanted columns."""
    with contextlib.ExitStack() as stack:
        with reading(path.name, ROOT):
            file = stack.enter_context(opened(path))
            trees = [name for name, kind in file.classnames(cycle=False).items() if kind in TREES]
            if not trees:
                found = ", ".join(file.classnames(cycle=False)) or "nothing"
                raise DataError(f"{path.name}: got no TTree and no RNTuple, found {found}")
            tree = file[max(trees, key=lambda name: len(_found(signature, file[name].keys())))]
        yield tree


def _root_rows(path: Path, signature: Signature) -> int:
    with _tree(path, signature) as tree, reading(path.name, ROOT):
        return int(tree.num_entries)


def _root(path: Path, signature: Signature, size: int, start: int) -> Iterator[Examples]:
    with _tree(path, signature) as tree:
        with reading(path.name, ROOT):
            names = _names(path, signature, tree.keys())
        for chunk in entries(path.name, tree, list(names.values()), size, path.stat().st_size, start):
            with reading(path.name, ROOT):
                examples = _examples(path, signature, {name: chunk[found] for name, found in names.items()})
            yield examples


def _npz_rows(path: Path, signature: Signature) -> int:
    with open_columns(path) as source:
        source.require([spec.name for spec in signature.inputs])
        return source.rows([spec.name for spec in signature.inputs])


def _npz(path: Path, signature: Signature, size: int, start: int) -> Iterator[Examples]:
    try:
        arrays = read_arrays(path)
    except BundleError as error:
        raise DataError(str(error)) from error
    specs = signature.inputs
    missing = [spec.name for spec in specs if spec.name not in arrays]
    if missing:
        raise DataError(f"{path.name}: missing arrays {', '.join(missing)}; found {', '.join(arrays) or 'none'}")
    counts = {spec.name: len(arrays[spec.name]) if arrays[spec.name].ndim else 0 for spec in specs}
    if len(set(counts.values())) != 1:
        raise DataError(f"{path.name}: got different numbers of {specs[0].axes[0]}: {counts}")
    for first in range(start, counts[specs[0].name], size):
        yield {
            spec.name: [_unpadded(signature, spec, one) for one in arrays[spec.name][first : first + size]]
            for spec in specs
        }


def _unpadded(signature: Signature, spec: TensorSpec, example: np.ndarray) -> np.ndarray:
    return cut(spec, example) if signature.padded and example.ndim == len(spec.axes) - 1 else example


#: What files of a model's own need.
_LIBRARIES = {".h5": ("h5py", "tables"), ".hdf5": ("h5py", "tables")}
#: Every other suffix with its reader and what that needs.
_READERS = {
    ".parquet": _Reader(_parquet, _parquet_rows, ("awkward", "pyarrow")),
    ".root": _Reader(_root, _root_rows, ("awkward", "uproot")),
    ".npz": _Reader(_npz, _npz_rows),
}


def _wanted(signature: Signature) -> list[str]:
    return [column for spec in signature.inputs for column in spec.columns]


def _found(signature: Signature, available: Sequence[str]) -> dict[str, str]:
    """Return for every wanted column that is there its name in the file; capital letters don't matter."""
    lower = {name.lower(): name for name in reversed(available)}
    return {name: lower[name.lower()] for name in _wanted(signature) if name.lower() in lower}


def _names(path: Path, signature: Signature, available: Sequence[str]) -> dict[str, str]:
    bare = [spec.name for spec in signature.inputs if not spec.columns or len(spec.axes) != _LISTED]
    if bare:
        raise DataError(f"{path.name}: {', '.join(bare)} isn't a list of named columns: give arrays in an .npz file")
    names = _found(signature, available)
    missing = [name for name in _wanted(signature) if name not in names]
    if missing:
        shown = ", ".join(sorted(available)[:20]) or "none"
        raise DataError(f"{path.name}: missing columns {', '.join(missing)}; found {shown}; {OTHER_NAMES}")
    return names


def _examples(path: Path, signature: Signature, columns: Mapping[str, Any]) -> Examples:
    return {spec.name: _stacked(path, spec, columns) for spec in signature.inputs}


def _stacked(path: Path, spec: TensorSpec, columns: Mapping[str, Any]) -> list[np.ndarray]:
    """Join list columns to one array ``[elements, columns]`` for each example."""
    import awkward

    counts: np.ndarray | None = None
    flat: list[np.ndarray] = []
    for name in spec.columns:
        column = columns[name]
        if column.ndim != 2:
            raise DataError(f"{path.name}: column {name}: got {column.type}, expected a list of numbers for each row")
        if awkward.any(awkward.is_none(column, axis=0)) or awkward.any(awkward.is_none(column, axis=1)):
            raise DataError(f"{path.name}: column {name}: got missing values, expected a number everywhere")
        lengths = awkward.to_numpy(awkward.num(column, axis=1))
        if counts is not None and not np.array_equal(lengths, counts):
            row = int(np.argmax(lengths != counts))
            raise DataError(
                f"{path.name}: row {row} of a batch: {name} has {lengths[row]} entries, "
                f"{spec.columns[0]} {counts[row]}; expected the same number"
            )
        counts = lengths
        flat.append(awkward.to_numpy(awkward.flatten(column, axis=1)).astype(spec.dtype))
    joined = np.stack(flat, axis=-1)
    return np.split(joined, np.cumsum(counts)[:-1]) if counts is not None and len(counts) else []
