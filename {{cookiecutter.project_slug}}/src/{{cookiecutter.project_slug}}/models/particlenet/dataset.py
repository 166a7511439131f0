"""Jets from a store, as batches of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ...errors import ConfigError

if TYPE_CHECKING:
    from ...data.store import Store

__all__ = ["JetDataset"]


class JetDataset(Dataset[dict[str, Tensor]]):
    """Jets of one split; ``dataset.__getitems__(indices)`` gives a whole batch at once.

    A batch holds ``particles`` ``[jets, constituents, 4]`` float32 (E, px, py, pz in GeV, sorted by falling pT,
    zero-padded to the longest jet of the batch), ``axis`` ``[jets, 4]`` float32 (the sum of all constituents, also
    of those that are cut off) and ``label`` ``[jets]`` int64 (1 top, 0 QCD).

    Parameters
    ----------
    store
        Store that the reader made.
    max_constituents
        Constituents to keep: the hardest by pT; 0 keeps all.

    Raises
    ------
    ConfigError
        If ``max_constituents`` is negative.
    DataError
        If the store isn't one of jets.
    """

    def __init__(self, store: Store, *, max_constituents: int = 128) -> None:
        if max_constituents < 0:
            raise ConfigError(f"max_constituents: got {max_constituents}, expected 0 (all) or more")
        self.store = store
        self.max_constituents = max_constituents
        # Views of memory-mapped files: fetched once, because looking them up costs as much as reading a jet.
        self._particles, self._axis, self._label = store.ragged("particles"), store.array("axis"), store.array("label")

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (self.store, self.max_constituents)

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return one jet, without the axis of the jets."""
        inside = range(len(self))[index]
        return {name: values[0] for name, values in self.__getitems__([inside]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Return a batch of jets in the order asked for."""
        chosen = np.asarray(indices, np.int64)
        limit = self.max_constituents or None
        return {
            "particles": torch.from_numpy(self._particles.padded(chosen, limit)),
            "axis": torch.from_numpy(self._axis[chosen]),
            "label": torch.from_numpy(self._label[chosen].astype(np.int64)),
        }

    def balance(self) -> dict[str, int]:
        """Return the number of jets of each class."""
        tops = int(np.sum(self._label, dtype=np.int64))
        return {"qcd": len(self) - tops, "top": tops}


def _reopen(store: Store, max_constituents: int) -> JetDataset:
    return JetDataset(store, max_constituents=max_constituents)
