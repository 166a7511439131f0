"""Which elements of which events are explained: of every true class, recognised ones and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .columns import CLASSES

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset

__all__ = ["Choice", "choose", "load_event"]


@dataclass(frozen=True)
class Choice:
    """Elements of one event to explain.

    Parameters
    ----------
    index
        Position of the event in the split.
    rows, true, predicted
        Which elements ``[n]``, with their classes.
    """

    index: int
    rows: np.ndarray
    true: np.ndarray
    predicted: np.ndarray


def load_event(dataset: Dataset[Any], index: int) -> dict[str, Tensor]:
    """Return one event ``[1, elements, ...]`` without padding."""
    batch = dataset.__getitems__([index])  # type: ignore[attr-defined]
    real = batch["elements"][0, :, 0] > 0
    return {name: values[:, real] for name, values in batch.items()}


def choose(network: Any, dataset: Dataset[Any], indices: Sequence[int], limit: int, seed: int) -> list[Choice]:
    """Choose elements to explain, of every true class both correctly and incorrectly classified ones.

    Parameters
    ----------
    network
        The network in evaluation mode.
    dataset, indices
        Events to choose from; those without elements are left out.
    limit
        Largest number of elements of a class and outcome; drawn from all elements of all events alike.
    seed
        Seed of the draw.
    """
    import torch

    dtype = next(network.parameters()).dtype
    events, trues, predictions, rows = [], [], [], []
    for number, index in enumerate(indices):
        event = load_event(dataset, index)
        if not event["elements"].shape[1]:
            continue
        with torch.inference_mode():
            logits, _ = network(event["elements"].to(dtype))
        true = event["target"][0, :, 0].numpy().astype(np.int64)
        trues.append(true)
        predictions.append(logits[0].argmax(1).numpy())
        events.append(np.full(len(true), number))
        rows.append(np.arange(len(true)))
    if not trues:
        return []
    true, predicted, event_of, row = (np.concatenate(parts) for parts in (trues, predictions, events, rows))
    generator = np.random.default_rng([seed, 2])
    kept = []
    for kind in range(len(CLASSES)):
        for right in (True, False):
            candidates = np.flatnonzero((true == kind) & ((predicted == kind) == right))
            kept.append(generator.permutation(candidates)[:limit])
    chosen = np.sort(np.concatenate(kept))
    found = []
    for number in np.unique(event_of[chosen]):
        here = chosen[event_of[chosen] == number]
        found.append(Choice(int(indices[number]), row[here], true[here], predicted[here]))
    return found
