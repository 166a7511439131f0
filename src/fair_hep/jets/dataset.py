"""Jets from a store, as batches of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from ..tagging.set_dataset import SetDataset

if TYPE_CHECKING:
    from ..data.store import Store

__all__ = ["JetDataset"]


class JetDataset(SetDataset):
    """Jets of one split; ``dataset.__getitems__(indices)`` gives a whole batch at once.

    A batch holds ``particles`` ``[jets, constituents, 4]`` float32 (E, px, py, pz in GeV, sorted by falling pT,
    zero-padded to the longest jet of the batch), ``axis`` ``[jets, 4]`` float32 (the sum of all constituents, also
    of those that are cut off) and ``label`` ``[jets]`` int64 (1 top, 0 QCD). If the store knows where constituents come
    from, it holds ``origin`` ``[jets, constituents]`` int8 too (`fair_hep.data.toptag.ORIGINS`; 0 for padding).

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
        super().__init__(store, max_constituents=max_constituents, arrays=("axis",))
        self._origin = store.ragged("origin") if store.has("origin") else None

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Return a batch of jets in the order asked for."""
        batch = super().__getitems__(indices)
        if self._origin is not None:
            padded = self._origin.padded(np.asarray(indices, np.int64), self.max_constituents or None)
            batch["origin"] = torch.from_numpy(padded[..., 0])
        return batch

    @classmethod
    def reopen(cls, store: Store, max_constituents: int, name: str, arrays: tuple[str, ...]) -> Self:
        """Make the same data set in another process."""
        return cls(store, max_constituents=max_constituents)

    def balance(self) -> dict[str, int]:
        """Return the number of jets of each class."""
        tops = int(np.sum(self._label, dtype=np.int64))
        return {"qcd": len(self) - tops, "top": tops}
