"""Trees of ROOT files (TTree and RNTuple), by uproot."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..reading import check_growth, reading
from .source import Column, Lists, Source

__all__ = ["TREES", "WHAT", "entries", "open_root", "opened"]

WHAT = "a ROOT file that uproot reads"
#: Classes of what is read as a tree.
TREES = {"TTree", "ROOT::RNTuple"}


class _Root(Source):
    def __init__(self, path: Path, tree: Any) -> None:
        super().__init__(path.name)
        self.tree, self.size = tree, path.stat().st_size
        self._columns = list(tree.keys())

    @property
    def columns(self) -> list[str]:
        return self._columns

    def rows(self, names: Sequence[str]) -> int:
        with reading(self.name, WHAT):
            return int(self.tree.num_entries)

    def chunks(self, names: Sequence[str], size: int, start: int = 0) -> Iterator[dict[str, Column]]:
        found = {name: self.base(name) for name in names}
        wanted = list(dict.fromkeys(place[0] for place in found.values() if place))
        for chunk in entries(self.name, self.tree, wanted, size, self.size, start):
            with reading(self.name, WHAT):
                part = {name: self._column(name, chunk[place[0]], place[1]) for name, place in found.items() if place}
            yield part

    def _column(self, name: str, values: Any, entry: int | None) -> Column:
        import awkward

        numbers = values.layout.purelist_parameter("__array__") is None and not values.fields
        if not numbers or values.ndim > 3 or (values.ndim > 2 and entry is None):
            raise DataError(f"{self.name}: branch {name}: got {values.type}, expected numbers or lists of numbers")
        if values.ndim != 2:
            return self.array(name, awkward.to_numpy(values), entry)
        flat = awkward.to_numpy(awkward.flatten(values, axis=1))
        self.array(name, flat, entry)
        return Lists(flat, awkward.to_numpy(awkward.num(values, axis=1)))


class _Bounded(io.FileIO):
    """A file of which no more is asked than it has: Python makes room first, and a damaged header asks for much."""

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, os.fstat(self.fileno()).st_size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left)) or b""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a ROOT file by uproot."""
    import uproot

    with _Bounded(path) as file, uproot.open(file) as found:
        yield found


@contextlib.contextmanager
def open_root(path: Path, name: str | None) -> Iterator[Source]:
    """Open the tree of that name, or the only one."""
    with contextlib.ExitStack() as stack:
        with reading(path.name, WHAT):
            file = stack.enter_context(opened(path))
            trees = [key for key, kind in file.classnames(cycle=False).items() if kind in TREES]
            if name is not None and name not in trees:
                raise DataError(f"{path.name}: has no tree {name!r}; found {', '.join(trees) or 'none'}")
            if name is None and len(trees) != 1:
                found = ", ".join(trees) or "none"
                raise DataError(f"{path.name}: got {len(trees)} trees ({found}), expected one, or its name in `tree`")
            source = _Root(path, file[name or trees[0]])
        yield source


def entries(  # noqa: PLR0917
    name: str, tree: Any, branches: Sequence[str], step: int, size: int, start: int = 0
) -> Iterator[Any]:
    """Give some branches of a tree as Awkward records, a number of entries at a time.

    Parameters
    ----------
    name
        Name of the file, for messages.
    tree
        TTree or RNTuple, as uproot opens it.
    branches
        Names of the branches.
    step
        Entries at a time.
    size
        Bytes of the file, against which its claims are held.
    start
        The first entry.

    Raises
    ------
    DataError
        If the file is damaged, or claims more than it can hold.
    """
    with reading(name, WHAT):
        check_growth(name, int(tree.num_entries), size)
        for branch in branches:
            check_growth(f"{name}: branch {branch}", int(getattr(tree[branch], "uncompressed_bytes", 0)), size)
        chunks = iter(tree.iterate(list(branches), step_size=step, entry_start=start, library="ak"))
    while True:
        with reading(name, WHAT):
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk
