"""Parquet files, by pyarrow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .source import Column, Lists, Source, line

__all__ = ["open_parquet"]


class _Parquet(Source):
    def __init__(self, name: str, file: Any) -> None:
        super().__init__(name)
        self.file = file

    @property
    def columns(self) -> list[str]:
        return list(self.file.schema_arrow.names)

    def chunks(self, names: Sequence[str], size: int) -> Iterator[dict[str, Column]]:
        import pyarrow

        try:
            for batch in self.file.iter_batches(batch_size=size, columns=list(names)):
                yield {name: self._column(name, batch.column(name)) for name in names}
        except (pyarrow.ArrowException, OSError) as error:
            raise self.damaged(error) from error

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
def open_parquet(path: Path, _: str | None) -> Iterator[Source]:
    """Open such a file."""
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path.name}: not a Parquet file: {line(error)}") from error
    with file:
        yield _Parquet(path.name, file)
