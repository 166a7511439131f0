"""Trees of ROOT files (TTree and RNTuple), by uproot."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError
from .source import Column, Lists, Source, line

__all__ = ["TREES", "open_root"]

#: Classes of what is read as a tree.
TREES = {"TTree", "ROOT::RNTuple"}


class _Root(Source):
    def __init__(self, name: str, tree: Any) -> None:
        super().__init__(name)
        self.tree = tree
        self._columns = list(tree.keys())

    @property
    def columns(self) -> list[str]:
        return self._columns

    def chunks(self, names: Sequence[str], size: int) -> Iterator[dict[str, Column]]:
        import uproot

        found = {name: self.base(name) for name in names}
        wanted = list(dict.fromkeys(place[0] for place in found.values() if place))
        try:
            for chunk in self.tree.iterate(wanted, step_size=size, library="ak"):
                yield {name: self._column(name, chunk[place[0]], place[1]) for name, place in found.items() if place}
        except (ValueError, OSError, TypeError, uproot.DeserializationError, AssertionError, zlib.error) as error:
            raise self.damaged(error) from error

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


@contextlib.contextmanager
def open_root(path: Path, name: str | None) -> Iterator[Source]:
    """Open the tree of that name, or the only one."""
    import uproot

    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(uproot.open(path))
            trees = [key for key, kind in file.classnames(cycle=False).items() if kind in TREES]
            if name is not None and name not in trees:
                raise DataError(f"{path.name}: has no tree {name!r}; found {', '.join(trees) or 'none'}")
            if name is None and len(trees) != 1:
                found = ", ".join(trees) or "none"
                raise DataError(f"{path.name}: got {len(trees)} trees ({found}), expected one, or its name in `tree`")
            source = _Root(path.name, file[name or trees[0]])
        except (ValueError, OSError, TypeError, uproot.DeserializationError, AssertionError, zlib.error) as error:
            raise DataError(f"{path.name}: not a ROOT file that uproot reads: {line(error)}") from error
        yield source
