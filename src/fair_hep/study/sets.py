"""Explain sets batch after batch, whatever the network, into one file of relevances.

An interrupted explanation goes on where it stopped, and several processes may share the work.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.blocks import Blocks
from ..data.parallel import in_processes, keep_freed_memory
from ..models.contract import Model
from .fingerprint import fingerprint
from .passes import explain_block, features_of, load, packed
from .relevances import Relevances, write_relevances
from .runtimes import prepared
from .work import Work

if TYPE_CHECKING:
    from torch.utils.data import Dataset

__all__ = ["BLOCK", "blocks_of", "explain_sets", "non_empty", "relevance_key", "with_graph", "write_sets"]

#: Examples that are loaded, sorted by size and written together.
BLOCK = 256
#: Examples on which a graph is compared with the engine.
COMPARED = 8


def non_empty(model: Model, dataset: Dataset[Any], indices: Sequence[int]) -> tuple[list[int], int]:
    """Return the examples that have an element, and the number of those without: nothing can be explained there."""
    kept: list[int] = []
    for part in _blocks(indices):
        real = (load(dataset, part)[model.inputs[0].name] != 0).any(-1).any(1).tolist()
        kept += [index for index, some in zip(part, real, strict=True) if some]
    return kept, len(indices) - len(kept)


def explain_sets(
    work: Work, *, numbers: range | None = None, processes: int = 1, progress: str | None = "explain"
) -> Iterator[Relevances]:
    """Explain examples in blocks of `BLOCK`, in the order of their indices.

    Parameters
    ----------
    work
        What is explained and how.
    numbers
        Which blocks; None: all of them.
    processes
        Processes that share the blocks, with one thread each: explanations are bound by memory traffic, where threads
        help little.
    progress
        Text before a progress bar on standard error; None: no bar.
    """
    from tqdm import tqdm

    blocks = list(_blocks(work.indices))
    blocks = blocks if numbers is None else [blocks[number] for number in numbers]
    total, hidden = sum(map(len, blocks)), True if progress is None else None
    with tqdm(total=total, desc=progress, unit="example", file=sys.stderr, disable=hidden) as bar:
        if processes == 1 or not blocks:
            for block in blocks:
                yield explain_block(work, block, bar.update)
            return
        common = replace(work, indices=())
        tasks = ((common, block) for block in blocks)
        with in_processes(_work_on, tasks, min(processes, len(blocks)), _use_one_thread) as results:
            for block, values in zip(blocks, results, strict=True):
                bar.update(len(block))
                yield Relevances(values)


def write_sets(folder: Path, work: Work, attributes: Mapping[str, Any], *, processes: int = 1) -> Path:
    """Explain examples and write one file; if it is there already and made from the same things, keep it."""
    return write_relevances(folder, blocks_of(work, processes=processes), work.layout, attributes)


def blocks_of(work: Work, *, processes: int = 1, progress: str = "explain", padded: bool = False) -> Blocks:
    """Return the same explanations as blocks that may be computed anywhere; as files want them, or still padded."""
    columns = work.layout

    def some(numbers: range) -> Iterator[Mapping[str, np.ndarray]]:
        parts = explain_sets(work, numbers=numbers, processes=processes, progress=progress)
        return parts if padded else (packed(part, columns) for part in parts)

    return Blocks(relevance_key(work), -(-len(work.indices) // BLOCK), some)


def relevance_key(work: Work) -> str:
    """Return a checksum of everything that relevances depend on: weights, examples, settings, and what is kept."""
    chosen = work.settings.model_dump(mode="json", include={"composite", "bias", "epsilon", "precision"})
    batches = (load(work.dataset, part) for part in _blocks(work.indices))
    examples = (values.numpy() for batch in batches for _, values in sorted(batch.items()))
    runtime = work.graph.path.name if work.graph else "torch"
    known = [list(work.indices), chosen, list(work.target), BLOCK, sorted(work.layout), runtime]
    return fingerprint(work.network, examples, known)


# -- one block ---------------------------------------------------------------------------------------------------------


def with_graph(work: Work, folder: Path) -> Work:
    """Return the work with the graph that explains, if that is asked for or pays (`runtimes.prepared`)."""
    batch = load(work.dataset, work.indices[:COMPARED])
    inputs = {spec.name: batch[spec.name] for spec in work.model.inputs if spec.name in batch}
    values = features_of(work.model, work.network, inputs)[2]
    examples = len(work.indices)
    return replace(work, graph=prepared(work.model, work.network, work.settings, values, folder, examples=examples))


def _work_on(task: tuple[Work, list[int]]) -> dict[str, np.ndarray]:
    work, indices = task
    return dict(explain_block(work, indices, lambda _: None))


def _use_one_thread() -> None:
    """Prepare a process: one thread, and memory that is freed stays with it."""
    import torch

    torch.set_num_threads(1)
    keep_freed_memory()


def _blocks(indices: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(indices), BLOCK):
        yield list(indices[start : start + BLOCK])
