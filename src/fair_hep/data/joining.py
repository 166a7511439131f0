"""Stores that were made in parts, joined to the one that a single run makes: the same bytes, the same counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.parts import Part
from .ragged import Ragged
from .store import Store, write_store

__all__ = ["join_stores", "joined_counts", "rows_of_part"]

#: Examples in memory at a time.
_CHUNK = 8192
#: What isn't added up: settings, which all parts share, and lengths, of which the largest counts.
_SETTINGS, _LARGEST = frozenset({"columns", "maximum", "name"}), "longest"


def rows_of_part(lengths: Sequence[int], part: Part | None) -> list[range]:
    """Return for each file which of its rows belong to a part; all of them where there are no parts.

    Parameters
    ----------
    lengths
        Rows of the files, in order.
    part
        A share of all rows together.

    Examples
    --------
    >>> rows_of_part([5, 3], Part(2, 2))
    [range(4, 5), range(0, 3)]
    """
    total = sum(lengths)
    share = range(total) if part is None else part.share(total)
    before = accumulate(lengths, initial=0)
    return [
        range(min(length, max(0, share.start - first)), max(0, min(length, share.stop - first)))
        for length, first in zip(lengths, before, strict=False)
    ]


def join_stores(parts: Sequence[Path], folder: Path) -> None:
    """Write the examples of several stores, one after the other, into one.

    Parameters
    ----------
    parts
        Folders of the stores in order, at least one.
    folder
        Folder of the whole; it is replaced in one step.

    Raises
    ------
    DataError
        If a part is missing, or changed since it was made.
    """
    stores = [Store(part) for part in parts]
    with write_store(folder, joined_counts([store.source for store in stores])) as writer:
        for store in stores:
            store.verify()
            for start in range(0, len(store), _CHUNK):
                writer.append(**_rows(store, start, min(start + _CHUNK, len(store))))


def _rows(store: Store, start: int, stop: int) -> dict[str, np.ndarray | Ragged]:
    """Return some examples of a store, by name."""
    found: dict[str, np.ndarray | Ragged] = {
        name: store.array(name)[start:stop] for name in store.description["arrays"]
    }
    for name in store.description["ragged"]:
        whole = store.ragged(name)
        first, last = int(whole.offsets[start]), int(whole.offsets[stop])
        found[name] = Ragged(whole.values[first:last], whole.offsets[start : stop + 1] - first)
    return found


def joined_counts(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what was counted in all parts, as one run counts it.

    Numbers are added up, and so are those in lists; lists of files keep each file once; of what is called ``longest``
    the largest counts, and settings (``columns``, ``maximum``) are the same in all.

    Examples
    --------
    >>> joined_counts([{"jets": 2, "longest": 7, "targets": [1, 0]}, {"jets": 3, "longest": 5, "targets": [2, 2]}])
    {'jets': 5, 'longest': 7, 'targets': [3, 2]}
    """
    return {key: _joined(key, [part[key] for part in parts]) for key in parts[0]}


def _joined(key: str, values: Sequence[Any]) -> Any:
    first = values[0]
    if key in _SETTINGS:
        return first
    if isinstance(first, Mapping):
        return joined_counts(values)
    if isinstance(first, list) and any(isinstance(one, Mapping) for value in values for one in value):
        return _files(values)
    if isinstance(first, list):
        return [sum(column) for column in zip(*values, strict=True)]
    return max(values) if key == _LARGEST else sum(values)


def _files(parts: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return the files of all parts, what was counted in each added up; several may have one name."""
    found: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for part in parts:
        names = [file["name"] for file in part]
        for place, file in enumerate(part):
            found.setdefault((file["name"], names[:place].count(file["name"])), []).append(file)
    return [joined_counts(same) for same in found.values()]
