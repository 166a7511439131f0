"""What all kinds of columnar files offer: names, and chunks of columns."""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..errors import DataError

__all__ = ["Column", "Lists", "Source", "rows_of", "same_length"]

_ENTRY = re.compile(r"(.+)\[(\d{1,6})\]")


@dataclass(frozen=True)
class Lists:
    """A list of numbers for each row: ``values`` ``[total]`` of all rows one after the other, ``counts`` ``[rows]``."""

    values: np.ndarray
    counts: np.ndarray


Column: TypeAlias = np.ndarray | Lists


def rows_of(column: Column) -> int:
    """Return how many rows a column has."""
    return len(column.counts) if isinstance(column, Lists) else len(column)


class Source(ABC):
    """An open file of columns. Made by `open_columns`.

    Attributes
    ----------
    name
        Name of the file, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """Names of the columns."""

    @abstractmethod
    def rows(self, names: Sequence[str]) -> int:
        """Return how many rows some columns have, without reading them; the errors of `chunks`."""

    @abstractmethod
    def chunks(self, names: Sequence[str], size: int, start: int = 0) -> Iterator[dict[str, Column]]:
        """Give some columns, at most ``size`` rows at a time, from a row on: those before aren't made.

        Raises
        ------
        DataError
            If a column doesn't hold numbers or lists of numbers, or the file is damaged.
        """

    def has(self, name: str) -> bool:
        """Say whether there is such a column."""
        return self.base(name) is not None

    def base(self, name: str) -> tuple[str, int | None] | None:
        """Return what the file calls a column, and the entry of its last axis if the name asks for one."""
        if name in self.columns:
            return name, None
        entry = _ENTRY.fullmatch(name)
        return (entry[1], int(entry[2])) if entry and entry[1] in self.columns else None

    def require(self, names: Sequence[str], remedy: str = "") -> None:
        """Make sure that columns are there.

        Raises
        ------
        DataError
            If some aren't; the line names the nearest, what there is, and ends with the remedy.
        """
        missing = [name for name in names if not self.has(name)]
        if missing:
            near = difflib.get_close_matches(missing[0], self.columns, n=1, cutoff=0.4)
            hint = f" (did you mean {near[0]}?)" if near else ""
            shown = ", ".join(sorted(self.columns)[:30]) or "none"
            told = "; ".join(filter(None, (f"missing columns {', '.join(missing)}{hint}", f"found {shown}", remedy)))
            raise DataError(f"{self.name}: {told}")

    def array(self, name: str, values: np.ndarray, entry: int | None) -> Column:
        """Turn an array with the rows along its first axis into a column."""
        if values.dtype.kind not in "fiub":
            raise DataError(f"{self.name}: column {name}: got type {values.dtype}, expected numbers")
        if entry is not None:
            if values.ndim != 3 or entry >= values.shape[2]:
                raise DataError(
                    f"{self.name}: column {name}: got an array of shape {values.shape}, expected three axes with at "
                    f"least {entry + 1} entries along the last"
                )
            values = values[:, :, entry]
        if values.ndim == 1:
            return values
        if values.ndim == 2:
            return Lists(values.ravel(), np.full(len(values), values.shape[1], np.int64))
        raise DataError(f"{self.name}: column {name}: got {values.ndim} axes, expected one or two; NAME[0] chooses one")


def same_length(name: str, rows: Mapping[str, int]) -> None:
    """Refuse columns of different numbers of rows."""
    if len(set(rows.values())) > 1:
        shown = ", ".join(f"{column} {count}" for column, count in rows.items())
        raise DataError(f"{name}: columns have different numbers of rows: {shown}")
