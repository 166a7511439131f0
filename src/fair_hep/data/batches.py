"""Batches in a reproducible order that can be taken up again in the middle of an epoch."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, Subset

from ..bundle.errors import ConfigError

__all__ = ["EpochSampler", "between", "epoch_loader", "first", "ordered_loader", "passes"]


class EpochSampler(Sampler[list[int]]):
    """Shuffled batches that follow from (seed, epoch) alone, shared out among processes.

    The batch size counts over all processes, so that two processes see in one step what one would see. The last,
    incomplete batch of an epoch is left out (another one every epoch), unless it is the only one.

    Parameters
    ----------
    size
        Number of examples.
    batch_size
        Examples of one step, over all processes.
    seed
        Seed of the order.
    rank, world
        Which of how many processes this is.
    """

    def __init__(self, size: int, batch_size: int, seed: int, *, rank: int = 0, world: int = 1) -> None:
        batch_size = min(batch_size, size - size % world)
        if batch_size == 0 or batch_size % world:
            raise ConfigError(
                f"train.batch_size: got {batch_size} for {world} processes and {size} examples; "
                "expected a positive multiple of the number of processes"
            )
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.rank, self.world = rank, world
        self.epoch = 0
        self.start = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each one."""
        self.epoch = epoch

    def skip(self, batches: int) -> None:
        """Leave out the first batches of the next pass: they were seen before an interruption."""
        self.start = batches

    def __len__(self) -> int:
        return self.size // self.batch_size

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.size)
        start, self.start = self.start, 0
        for step in range(start, len(self)):
            batch = order[step * self.batch_size : (step + 1) * self.batch_size]
            yield batch[self.rank :: self.world].tolist()


def epoch_loader(dataset: Dataset[Any], sampler: EpochSampler, *, workers: int = 0) -> DataLoader[Any]:
    """Return a loader of whole batches in the sampler's order."""
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=_whole,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=_deaf,
        multiprocessing_context="spawn" if workers else None,
    )


def ordered_loader(
    dataset: Dataset[Any], batch_size: int, *, rank: int = 0, world: int = 1, workers: int = 0
) -> DataLoader[Any]:
    """Return a loader of whole batches in the order of the dataset; each process gets every ``world``-th example."""
    indices = range(rank, len(dataset), world)  # type: ignore[arg-type]
    chosen = dataset if world == 1 else Subset(dataset, indices)
    return DataLoader(chosen, batch_size=batch_size, collate_fn=_whole, num_workers=workers)


def first(dataset: Dataset[Any], limit: int) -> Dataset[Any]:
    """Return the first ``limit`` examples of a dataset, all of them for 0."""
    return Subset(dataset, range(limit)) if 0 < limit < len(dataset) else dataset  # type: ignore[arg-type]


def between(dataset: Dataset[Any], examples: range) -> Dataset[Any]:
    """Return some examples of a dataset that follow each other."""
    return Subset(dataset, examples)


def passes(counts: Tensor, elements: int) -> Iterator[Tensor]:
    """Share sets out among passes of a network: those of like size together, since each is padded to the largest.

    Parameters
    ----------
    counts
        Elements of every set.
    elements
        Most elements of a pass, padding included, unless a single set has more.

    Yields
    ------
    rows
        Which sets, by rising size; each comes once.

    Examples
    --------
    >>> import torch
    >>> [rows.tolist() for rows in passes(torch.tensor([5, 1, 0, 9, 2]), 6)]
    [[2, 1, 4], [0], [3]]
    """
    order, start = counts.argsort(stable=True), 0
    for stop in range(1, len(order) + 1):
        # The next one would be the largest.
        if stop == len(order) or (stop + 1 - start) * int(counts[order[stop]]) > elements:
            yield order[start:stop]
            start = stop


def _deaf(worker: int) -> None:
    """Let a worker not hear that the time is up: Slurm tells every process of a job, and who isn't prepared dies."""
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def _whole(batch: Any) -> Any:
    """Pass on what ``__getitems__`` made: it is a batch already."""
    return batch
