"""Read examples from files as people have them: the published layout, Parquet with Awkward lists, ROOT, ``.npz``.

In Parquet and ROOT every column of an input is a list column (or branch) of its name, one row per example; where names
differ, a map says which is which (`mapped`). An ``.npz`` file holds an array for each input, as ``examples/inputs.npz``
in every bundle does: padded with zeros at the end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .columnar import SUFFIXES
from .columnar.parquet import WHAT as PARQUET
from .columnar.parquet import open_parquet
from .columnar.root import TREES, entries, opened
from .columnar.root import WHAT as ROOT
from .columns import OTHER_NAMES, Columns
from .errors import BundleError, DataError
from .extras import need
from .folder import read_arrays
from .inputs import cut
from .mapped import read_mapped
from .reading import reading
from .signature import Signature, TensorSpec

__all__ = ["Examples", "OwnFiles", "read_examples"]

#: Axes of an input whose columns are lists: examples, elements, columns.
_LISTED = 3
#: By name of the input, one array for each example.
Examples = Mapping[str, Sequence[np.ndarray]]
Options = Mapping[str, Any]


class OwnFiles(Protocol):
    """What knows files of the published layout of a model: its recipe."""

    suffixes: tuple[str, ...]

    def read(self, file: Path, size: int, **options: Any) -> Iterator[Examples]:
        """Read the required inputs, ``size`` examples at a time."""


Reader = Callable[[Path, Signature, int], Iterator[Examples]]


def read_examples(
    path: Path,
    signature: Signature,
    size: int,
    *,
    own: OwnFiles | None = None,
    options: Options | None = None,
    columns: Columns | None = None,
) -> Iterator[Examples]:
    """Read examples from a file, ``size`` at a time.

    Parameters
    ----------
    path, signature
        The file, and which columns it must have.
    size
        Examples at a time.
    own
        Reads files of the model's published layout; None: columns of the inputs' names are all that is known.
    options
        Those of its ``read``.
    columns
        Which columns of the file are what; then nothing else is asked. None: they have the names of the inputs.

    Raises
    ------
    ConfigError
        If the map doesn't give what the model takes.
    DataError
        If the file is missing, of a kind that isn't known, can't be read, lacks columns (the line names those found),
        or holds no examples.
    """
    known: dict[str, tuple[Reader, tuple[str, ...]]] = dict(_READERS)
    if own is not None:

        def published(path: Path, signature: Signature, size: int) -> Iterator[Examples]:
            return own.read(path, size, **(options or {}))

        known = {suffix: (published, _LIBRARIES.get(suffix, ())) for suffix in own.suffixes} | {
            suffix: reader for suffix, reader in _READERS.items() if suffix not in own.suffixes
        }
    if columns is not None:
        known = {suffix: (partial(read_mapped, columns=columns), ()) for suffix in SUFFIXES}
    reader, libraries = known.get(path.suffix.lower(), (None, ()))
    if reader is None:
        raise DataError(f"{path.name}: got suffix {path.suffix!r}, expected one of {', '.join(known)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    need(f"reading {path.suffix}", libraries, "files")
    empty = True
    for examples in reader(path, signature, size):
        if len(examples[signature.inputs[0].name]):
            empty = False
            yield examples
    if empty:
        raise DataError(f"{path.name}: got 0 {signature.inputs[0].axes[0]}, expected at least 1")


def _parquet(path: Path, signature: Signature, size: int) -> Iterator[Examples]:
    import awkward

    with open_parquet(path, None) as source:
        names = _names(path, signature, source.columns)
        for batch in source.batches(list(names.values()), size):
            with reading(path.name, PARQUET):
                columns = {name: awkward.from_arrow(batch.column(found)) for name, found in names.items()}
                examples = _examples(path, signature, columns)
            yield examples


def _root(path: Path, signature: Signature, size: int) -> Iterator[Examples]:
    with contextlib.ExitStack() as stack:
        with reading(path.name, ROOT):
            file = stack.enter_context(opened(path))
            trees = [name for name, kind in file.classnames(cycle=False).items() if kind in TREES]
            if not trees:
                found = ", ".join(file.classnames(cycle=False)) or "nothing"
                raise DataError(f"{path.name}: got no TTree and no RNTuple, found {found}")
            tree = file[max(trees, key=lambda name: len(_found(signature, file[name].keys())))]
            names = _names(path, signature, tree.keys())
        for chunk in entries(path.name, tree, list(names.values()), size, path.stat().st_size):
            with reading(path.name, ROOT):
                examples = _examples(path, signature, {name: chunk[found] for name, found in names.items()})
            yield examples


def _npz(path: Path, signature: Signature, size: int) -> Iterator[Examples]:
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
    for start in range(0, counts[specs[0].name], size):
        yield {
            spec.name: [_unpadded(signature, spec, one) for one in arrays[spec.name][start : start + size]]
            for spec in specs
        }


def _unpadded(signature: Signature, spec: TensorSpec, example: np.ndarray) -> np.ndarray:
    return cut(spec, example) if signature.padded and example.ndim == len(spec.axes) - 1 else example


#: What files of a model's own need.
_LIBRARIES = {".h5": ("h5py", "tables"), ".hdf5": ("h5py", "tables")}
#: Every other suffix with its reader and what that needs.
_READERS: dict[str, tuple[Reader, tuple[str, ...]]] = {
    ".parquet": (_parquet, ("awkward", "pyarrow")),
    ".root": (_root, ("awkward", "uproot")),
    ".npz": (_npz, ()),
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
