"""Examples of which some elements count only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

if TYPE_CHECKING:
    from ..models.contract import Model

__all__ = ["Fewer"]


class Fewer(Dataset[Any]):
    """Examples with some of their elements only, in order.

    Parameters
    ----------
    dataset
        The examples.
    model
        Says what has a row for each element.
    count
        How many stay of each example.
    rank
        Of every element ``[examples, elements]``, from 0: the lowest stay; None: the first stay.
    """

    def __init__(self, dataset: Any, model: Model, count: int, rank: Tensor | None = None) -> None:
        self.dataset, self.count, self.rank = dataset, count, rank
        self.first = model.inputs[0].name
        self.sets = frozenset(spec.name for spec in (*model.inputs, *model.targets) if spec.set_axis)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Return a batch of examples in the order asked for."""
        batch: dict[str, Tensor] = self.dataset.__getitems__(indices)
        real = (batch[self.first] != 0).any(-1)
        rank = real.cumsum(1) - 1 if self.rank is None else self.rank[torch.as_tensor(indices), : real.shape[1]]
        stays = real & (rank < self.count)
        order = (~stays).to(torch.int8).argsort(dim=1, stable=True)[:, : self.count]
        rows = torch.arange(len(real))[:, None]
        for name in self.sets & set(batch):
            value = batch[name][rows, order]
            kept = stays[rows, order].reshape(*order.shape, *(1,) * (value.ndim - 2))
            batch = {**batch, name: torch.where(kept, value, torch.zeros((), dtype=value.dtype))}
        return batch
