"""Choose among a record's files."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from typing import TypeAlias

from ..bundle.archive_record import RecordFile
from ..bundle.errors import DataError

__all__ = ["Choice", "check_fetchable", "chosen"]

Choice: TypeAlias = Callable[[Sequence[str]], Sequence[str]] | Sequence[str]


def chosen(names: Sequence[str], choose: Choice) -> list[str]:
    """Return the names wanted, each once, in the order chosen.

    Raises
    ------
    DataError
        If nothing is wanted, a glob matches nothing, or a wanted name isn't in the record.
    """
    shown = ", ".join(sorted(names)[:8]) + (", ..." if len(names) > 8 else "")
    if callable(choose):
        wanted = list(choose(list(names)))
        unknown = sorted(set(wanted) - set(names))
    else:
        matches = {glob: fnmatch.filter(names, glob) for glob in choose}
        wanted = [name for group in matches.values() for name in group]
        unknown = [glob for glob, group in matches.items() if not group]
    if unknown:
        raise DataError(f"record: no file matches {unknown[0]!r}; it has {shown}")
    if not wanted:
        raise DataError(f"record: none of its files is chosen; it has {shown}")
    return list(dict.fromkeys(wanted))


def check_fetchable(files: Sequence[RecordFile], names: Sequence[str]) -> None:
    """Refuse chosen files that can't be fetched, and names that don't tell files apart.

    Raises
    ------
    DataError
        If there is one.
    """
    wanted = [file for file in files if file.key in set(names)]
    for file in wanted:
        if file.barred is not None:
            raise DataError(f"{file.key[:80]!r}: {file.barred}; choose other files (data.files)")
    keys = [file.key for file in wanted]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise DataError(f"record: has {keys.count(twice)} files named {twice[:80]!r}; choose other files (data.files)")
