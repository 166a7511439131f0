"""Parquet files, by pyarrow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..reading import check_growth, reading
from .source import Column, Lists, Source

__all__ = ["WHAT", "open_parquet"]

WHAT = "a Parquet file"


class _Parquet(Source):
    def __init__(self, path: Path, file: Any) -> None:
        super().__init__(path.name)
        self.file, self.size = file, path.stat().st_size

    @property
    def columns(self) -> list[str]:
        return list(self.file.schema_arrow.names)

    def rows(self, names: Sequence[str]) -> int:
        with reading(self.name, WHAT):
            return int(self.file.metadata.num_rows)

    def chunks(self, names: Sequence[str], size: int, start: int = 0) -> Iterator[dict[str, Column]]:
        for batch in self.batches(names, size, start):
            with reading(self.name, WHAT):
                part = {name: self._column(name, batch.column(name)) for name in names}
            yield part

    def batches(self, names: Sequence[str], size: int, start: int = 0) -> Iterator[Any]:
        """Give some columns as Arrow has them, ``size`` rows at a time, from a row on; the errors of `chunks`."""
        with reading(self.name, WHAT):
            _check_claims(self.name, self.file, names, self.size)
            groups, before = self._groups(start)
            batches = self.file.iter_batches(batch_size=size, row_groups=groups, columns=list(names))
            if start > before:
                batches = _aligned(batches, size, start - before)
        while True:
            with reading(self.name, WHAT):
                batch = next(batches, None)
                if batch is None:
                    return
                # Offsets of lists are taken from the file as they are.
                batch.validate(full=True)
            yield batch

    def _groups(self, start: int) -> tuple[list[int], int]:
        """Return the groups of rows from that on which holds a row, and the number of rows before them."""
        sizes = [self.file.metadata.row_group(number).num_rows for number in range(self.file.metadata.num_row_groups)]
        ends = np.cumsum([0, *sizes])
        first = int(np.searchsorted(ends[1:], start, side="right"))
        return list(range(first, len(sizes))), int(ends[first])

    def _column(self, name: str, values: Any) -> Column:
        import pyarrow
        from pyarrow import compute

        kinds = pyarrow.types
        kind = values.type
        lists = kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)
        inner = kind.value_type if lists else kind
        if not (kinds.is_floating(inner) or kinds.is_integer(inner) or kinds.is_boolean(inner)):
            raise DataError(f"{self.name}: column {name}: got {kind}, expected numbers or lists of numbers")
        flat = values.flatten() if lists else values
        if values.null_count or flat.null_count:
            raise DataError(f"{self.name}: column {name}: got missing values, expected a number everywhere")
        numbers = flat.to_numpy(zero_copy_only=False)
        if not lists:
            return self.array(name, numbers, None)
        return Lists(numbers, compute.list_value_length(values).to_numpy(zero_copy_only=False).astype(np.int64))

    def base(self, name: str) -> tuple[str, int | None] | None:
        return (name, None) if name in self.columns else None


@contextlib.contextmanager
def open_parquet(path: Path, _: str | None) -> Iterator[_Parquet]:
    """Open such a file."""
    from pyarrow import parquet

    with reading(path.name, WHAT):
        file = parquet.ParquetFile(path)
    with file:
        yield _Parquet(path, file)


def _aligned(batches: Iterator[Any], size: int, skip: int) -> Iterator[Any]:
    """Drop the first rows, and cut what follows into batches of one size, as if it had begun there."""
    import pyarrow

    waiting: list[Any] = []
    for batch in batches:
        waiting.append(batch.slice(skip))
        skip = max(0, skip - len(batch))
        if sum(map(len, waiting)) >= size:
            whole = pyarrow.Table.from_batches(waiting).combine_chunks()
            yield from whole.slice(0, size).to_batches()
            waiting = whole.slice(size).to_batches()
    if sum(map(len, waiting)):
        yield from pyarrow.Table.from_batches(waiting).combine_chunks().to_batches()


def _check_claims(name: str, file: Any, columns: Sequence[str], size: int) -> None:
    """Refuse a file whose columns claim more numbers than its bytes can hold."""
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    parts = [group.column(number) for group in groups for number in range(group.num_columns)]
    wanted = [part for part in parts if part.path_in_schema.partition(".")[0] in set(columns)]
    check_growth(name, sum(max(8 * part.num_values, part.total_uncompressed_size) for part in wanted), size)
