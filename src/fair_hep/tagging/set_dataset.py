"""Sets of different sizes from a store, as batches of padded tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..bundle.errors import ConfigError

if TYPE_CHECKING:
    from ..data.store import Store

__all__ = ["SetDataset"]


class SetDataset(Dataset[dict[str, Tensor]]):
    """Sets of one split; ``dataset.__getitems__(indices)`` gives a whole batch at once.

    A batch holds the set ``[examples, elements, columns]``, zero-padded to the longest of the batch, every other array
    of the store that is asked for, and ``label`` ``[examples]`` int64.

    Parameters
    ----------
    store
        Store with a ragged array of the set, the hardest element first, and an array ``label``.
    max_constituents
        Elements to keep: the first ones; 0 keeps all.
    name
        Name of the set in the store and in the batch.
    arrays
        Names of other arrays of the store, one entry for each example.

    Raises
    ------
    ConfigError
        If ``max_constituents`` is negative.
    DataError
        If the store doesn't have these arrays.
    """

    def __init__(
        self, store: Store, *, max_constituents: int = 128, name: str = "particles", arrays: Sequence[str] = ()
    ) -> None:
        if max_constituents < 0:
            raise ConfigError(f"max_constituents: got {max_constituents}, expected 0 (all) or more")
        self.store = store
        self.max_constituents = max_constituents
        self.name, self.arrays = name, tuple(arrays)
        # Views of memory-mapped files: fetched once, because looking them up costs as much as reading an example.
        self._sets = store.ragged(name)
        self._others = {other: store.array(other) for other in self.arrays}
        self._label = store.array("label")

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (type(self), self.store, self.max_constituents, self.name, self.arrays)

    @classmethod
    def reopen(cls, store: Store, max_constituents: int, name: str, arrays: tuple[str, ...]) -> Self:
        """Make the same data set in another process."""
        return cls(store, max_constituents=max_constituents, name=name, arrays=arrays)

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return one example, without the axis of the examples."""
        inside = range(len(self))[index]
        return {name: values[0] for name, values in self.__getitems__([inside]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Return a batch of examples in the order asked for."""
        chosen = np.asarray(indices, np.int64)
        return {
            self.name: torch.from_numpy(self._sets.padded(chosen, self.max_constituents or None)),
            **{name: torch.from_numpy(values[chosen]) for name, values in self._others.items()},
            "label": torch.from_numpy(self._label[chosen].astype(np.int64)),
        }


def _reopen(kind: type[SetDataset], *state: object) -> SetDataset:
    return kind.reopen(*state)  # type: ignore[arg-type]
