"""Examples that a network is judged on, in batches of sets of like size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.contract import Batch, Model

__all__ = ["draw", "in_batches", "no_more_elements"]

#: Elements of one pass, padding included.
ELEMENTS = 2000
#: Examples that are counted at a time.
_CHUNK = 50


def draw(size: int, count: int, seed: int) -> list[int]:
    """Draw ``count`` of ``size`` examples by a seed, all of them if there aren't more; they rise."""
    import numpy as np

    chosen: list[int] = np.sort(np.random.default_rng(seed).permutation(size)[:count]).tolist()
    return chosen


def no_more_elements(model: Model, dataset: Any, indices: Sequence[int], elements: int, seed: int) -> list[int]:
    """Return some of the examples, drawn by a seed: those that have so many elements together, two at least."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(indices).tolist()
    name, total, taken = model.inputs[0].name, 0, 0
    for start in range(0, len(order), _CHUNK):
        counts = (dataset.__getitems__(order[start : start + _CHUNK])[name] != 0).any(-1)
        for count in (counts.sum(1) if counts.ndim == 2 else counts.long()).tolist():
            total += count
            if total > elements and taken >= 2:
                return sorted(order[:taken])
            taken += 1
    return sorted(order)


def in_batches(model: Model, dataset: Any, indices: Sequence[int]) -> Iterator[tuple[Tensor, Batch]]:
    """Give some examples in batches, those of like size together and without the padding that all have.

    Yields
    ------
    rows, batch
        Which of the indices they are, and the examples. Those without any element are left out.
    """
    import torch

    from ..data.batches import passes

    batch: dict[str, Tensor] = dataset.__getitems__(list(indices))
    real = (batch[model.inputs[0].name] != 0).any(-1)
    # Padding may lie anywhere; without sets an example is one row.
    lengths = (real * torch.arange(1, real.shape[1] + 1)).amax(1) if real.ndim > 1 else real.long()
    told = {spec.name for spec in (*model.inputs, *model.targets) if spec.set_axis}
    # A loss may read what no specification names, such as the target among several that a configuration chose.
    sets = told | {name for name, value in batch.items() if value.ndim > 2 and value.shape[:2] == real.shape}
    for together in passes(lengths, ELEMENTS):
        rows = together[lengths[together] > 0]
        if len(rows):
            longest = int(lengths[rows].max())
            cut = {name: value[rows][:, :longest] if name in sets else value[rows] for name, value in batch.items()}
            yield rows, cut
