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

    def chunks(self, names: Sequence[str], size: int) -> Iterator[dict[str, Column]]:
        for batch in self.batches(names, size):
            with reading(self.name, WHAT):
                part = {name: self._column(name, batch.column(name)) for name in names}
            yield part

    def batches(self, names: Sequence[str], size: int) -> Iterator[Any]:
        """Give some columns as Arrow has them, at most ``size`` rows at a time; the errors of `chunks`."""
        with reading(self.name, WHAT):
            _check_claims(self.name, self.file, names, self.size)
            batches = self.file.iter_batches(batch_size=size, columns=list(names))
        while True:
            with reading(self.name, WHAT):
                batch = next(batches, None)
                if batch is None:
                    return
                # Offsets of lists are taken from the file as they are.
                batch.validate(full=True)
            yield batch

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


def _check_claims(name: str, file: Any, columns: Sequence[str], size: int) -> None:
    """Refuse a file whose columns claim more numbers than its bytes can hold."""
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    parts = [group.column(number) for group in groups for number in range(group.num_columns)]
    wanted = [part for part in parts if part.path_in_schema.partition(".")[0] in set(columns)]
    check_growth(name, sum(max(8 * part.num_values, part.total_uncompressed_size) for part in wanted), size)
