"""Events from a store, as batches of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..bundle.errors import ConfigError
from ..bundle.strict import validate
from .options import DataOptions

if TYPE_CHECKING:
    from ..data.store import Store

__all__ = ["EventDataset"]


class EventDataset(Dataset[dict[str, Tensor]]):
    """Events of one split; ``dataset.__getitems__(indices)`` gives a whole batch at once.

    A batch holds ``elements`` ``[events, elements, 12]`` float32 (zero-padded to the longest event of the batch; an
    element is real where its type is above 0), and ``gen``, ``cand`` and ``target`` ``[events, elements, 7]`` float32:
    generated particles, rule-based candidates, and whichever of the two is to be learned.

    Parameters
    ----------
    store
        Store that the reader made.
    options
        Values of `DataOptions`. An event is never cut: without some of its elements it would be another event.

    Raises
    ------
    ConfigError
        If an option isn't known or out of range, or an event has more elements than ``limit``.
    DataError
        If the store isn't one of events.
    """

    def __init__(self, store: Store, **options: Any) -> None:
        self.options = validate(DataOptions, options, "data.options")
        # Views of memory-mapped files: fetched once, because looking them up takes time.
        self._parts = {name: store.ragged(name) for name in ("elements", "gen", "cand")}
        longest, limit = store.longest("elements"), self.options.limit
        if 0 < limit < longest:
            raise ConfigError(f"data.options.limit: got {limit}, but an event has {longest} elements: raise the limit")
        self.store = store

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (self.store, self.options.model_dump())

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return one event, without the axis of the events."""
        inside = range(len(self))[index]
        return {name: values[0] for name, values in self.__getitems__([inside]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Return a batch of events in the order asked for."""
        chosen = np.asarray(indices, np.int64)
        batch = {name: torch.from_numpy(part.padded(chosen)) for name, part in self._parts.items()}
        return {**batch, "target": batch[self.options.target]}

    def lengths(self) -> np.ndarray:
        """Return the number of elements of every event ``[events]``."""
        return self._parts["elements"].counts()


def _reopen(store: Store, options: dict[str, Any]) -> EventDataset:
    return EventDataset(store, **options)
