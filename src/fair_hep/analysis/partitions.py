"""Arrays of dask-awkward: what is done with each partition, and which file it is of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["files_of", "is_lazy", "map_partitions"]


def is_lazy(array: Any) -> bool:
    """Say whether an array is a task graph of dask-awkward."""
    return type(array).__module__.partition(".")[0] == "dask_awkward"


def map_partitions(step: Callable[..., Any], array: Any, verb: str, *others: Any) -> Any:
    """Do something with every partition, when it is computed.

    Parameters
    ----------
    step
        What is done; it is also called with arrays without data, and says by which columns it looks at what to read.
    array, others
        Arrays of dask-awkward with the same partitions.
    verb
        What it is called in the graph.
    """
    import dask_awkward

    meta = step(*(one._meta for one in (array, *others)))
    return dask_awkward.map_partitions(step, array, *others, label=f"fair-hep-{verb}", meta=meta)


def files_of(array: Any) -> list[str]:
    """Return the file of every partition; a number where partitions aren't those of files any more.

    They are as long as every step of the graph takes one partition and gives one, from a single reading of files on.
    """
    from dask.blockwise import Blockwise

    layers = list(array.dask.layers.values())
    read = [inputs for layer in layers if (inputs := getattr(layer, "inputs", None)) is not None]
    inputs = list(read[0]) if len(read) == 1 and all(isinstance(layer, Blockwise) for layer in layers) else []
    named = all(isinstance(one, tuple) and one and isinstance(one[0], str) for one in inputs)
    if len(inputs) == array.npartitions and named:
        return [one[0] for one in inputs]
    return [f"partition {number}" for number in range(array.npartitions)]
