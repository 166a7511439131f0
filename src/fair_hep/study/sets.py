"""Explain sets batch after batch, whatever the network, into one file of relevances.

An interrupted explanation goes on where it stopped, and several processes may share the work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.errors import ExplainError
from ..data.blocks import Blocks
from ..data.parallel import in_processes, keep_freed_memory
from ..models.contract import Model
from .fingerprint import fingerprint
from .relevances import ELEMENTS, NOTHING, Column, Relevances, column_of, write_relevances
from .runtimes import ELEMENTS as PASS
from .runtimes import Engine, Graph, prepared

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset

    from ..provenance.configuration import ExplainRules

__all__ = [
    "BLOCK",
    "Work",
    "blocks_of",
    "explain_sets",
    "layout",
    "non_empty",
    "relevance_key",
    "with_graph",
    "write_sets",
]

#: Examples that are loaded, sorted by size and written together, and those of one pass of a network without edges.
BLOCK, BATCH = 256, 32
#: Examples on which a graph is compared with the engine.
COMPARED = 8
#: Numbers that the widest message of a pass may have: explanations are bound by memory traffic, caches are small.
WIDEST = 3 * 2**13


def layout(model: Model) -> dict[str, Column]:
    """Return every data set that the file of a network on sets has; a recipe may add to them."""
    columns, features = ", ".join(model.inputs[0].columns), ", ".join(model.features.columns)
    outputs, share = (
        ", ".join(model.outputs[0].columns),
        "sum over channels of |R|, divided by its sum over the example",
    )
    return {
        "example/index": Column("[examples] position in the test split"),
        "example/label": Column("[examples] class: " + ", ".join(map(" ".join, _numbered(model.outputs[0].columns)))),
        ELEMENTS: Column("[examples] number of real elements: each has a row in element/* and edge*/*"),
        "example/outputs": Column(f"[examples, outputs] raw outputs of the network: {outputs}"),
        "example/explained": Column("[examples] what is explained, f"),
        "ledger/inputs": Column("[examples] sum of the relevance of all elements and features"),
        "ledger/bias": Column("[examples] relevance that biases took"),
        "ledger/epsilon": Column("[examples] relevance that the stabiliser took"),
        "ledger/lost": Column("[examples] relevance that empty denominators dropped"),
        "ledger/error": Column(
            "[examples] |f - inputs - bias - epsilon - lost| / (|f| + sum |R_input| + sum |R_bias terms|)"
        ),
        "element/input": Column(f"[elements, columns] raw input: {columns}", ELEMENTS),
        "element/relevance": Column(f"[elements, features] relevance, in the unit of f: {features}", ELEMENTS),
        "edge{place}/neighbour": Column(
            "[elements, k] the other end of each edge, as position in its example; -1: no edge", ELEMENTS, NOTHING
        ),
        "edge{place}/share": Column(f"[elements, k] {share} and place", ELEMENTS),
        "edge{place}/relevance": Column("[elements, k] sum over channels of R, in the unit of f", ELEMENTS),
    }


def non_empty(model: Model, dataset: Dataset[Any], indices: Sequence[int]) -> tuple[list[int], int]:
    """Return the examples that have an element, and the number of those without: nothing can be explained there."""
    kept: list[int] = []
    for part in _blocks(indices):
        real = (_load(dataset, part)[model.inputs[0].name] != 0).any(-1).any(1).tolist()
        kept += [index for index, some in zip(part, real, strict=True) if some]
    return kept, len(indices) - len(kept)


#: Gives further columns of some examples: of the raw inputs by name, and of what ``features`` makes of them, in turn
#: ``[examples, elements, ...]``.
Columns = Callable[[Mapping[str, "Tensor"], Sequence["Tensor"]], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Work:
    """Everything that explaining takes; it can be sent to another process.

    Parameters
    ----------
    model, network
        The network in evaluation mode, and what is known of it.
    dataset, indices
        Which examples; each must have an element.
    target
        Weights of the explained combination of outputs.
    settings
        Composite, biases, epsilon, batch size and precision.
    further, columns
        Data sets that a recipe adds to `layout`, and the function of a module that computes them.
    carried
        Arrays of a batch that go into further data sets as they are: their names by those of the data sets.
    graph
        What explains; None: the engine.
    """

    model: Model
    network: Any
    dataset: Any
    indices: Sequence[int]
    target: Sequence[float]
    settings: ExplainRules
    further: Mapping[str, Column] = field(default_factory=dict)
    columns: Columns | None = None
    carried: Mapping[str, str] = field(default_factory=dict)
    graph: Graph | None = None

    @property
    def layout(self) -> dict[str, Column]:
        """Every data set of the file."""
        return {**layout(self.model), **self.further}


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
                yield _explain_block(work, block, bar.update)
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
        return parts if padded else (_packed(part, columns) for part in parts)

    return Blocks(relevance_key(work), -(-len(work.indices) // BLOCK), some)


def relevance_key(work: Work) -> str:
    """Return a checksum of everything that relevances depend on: weights, examples, settings, and what is kept."""
    chosen = work.settings.model_dump(mode="json", include={"composite", "bias", "epsilon", "precision"})
    batches = (_load(work.dataset, part) for part in _blocks(work.indices))
    examples = (values.numpy() for batch in batches for _, values in sorted(batch.items()))
    runtime = work.graph.path.name if work.graph else "torch"
    known = [list(work.indices), chosen, list(work.target), BLOCK, sorted(work.layout), runtime]
    return fingerprint(work.network, examples, known)


# -- one block ---------------------------------------------------------------------------------------------------------
def _explain_block(work: Work, indices: list[int], tell: Callable[[int], object]) -> Relevances:
    """Explain a block of examples batch by batch, those of like size together; ``tell`` hears how many are done."""
    import torch

    model, settings = work.model, work.settings
    dtype = getattr(torch, settings.precision)
    network = work.network if dtype == torch.float32 else _converted(work.network, dtype)
    batch = _load(work.dataset, indices)
    counts = (batch[model.inputs[0].name] != 0).any(-1).sum(1)
    order = counts.argsort(stable=True)
    parts = []
    with work.graph or Engine(model, network, settings) as runtime:
        for rows in _batches(work, network, order, counts):
            inputs = {spec.name: batch[spec.name][rows].to(dtype) for spec in model.inputs if spec.name in batch}
            part = _explain_batch(work, network, runtime, inputs)
            parts.append({**part, **_carried(work, batch, rows, part["element/relevance"].shape[1])})
            tell(len(rows))
    joined = _joined(parts, np.argsort(order.numpy()), work.layout)
    return Relevances(
        {"example/index": np.asarray(indices, np.int64), "example/label": batch["label"].numpy(), **joined}
    )


def _batches(work: Work, network: Any, order: Tensor, counts: Tensor) -> Iterator[Tensor]:
    """Cut examples that come by rising size into passes."""
    if work.settings.batch_size or not work.graph:
        size = work.settings.batch_size or _batch_size(work.model, network, work.model.edges(network))
        yield from order.split(size)
        return
    start = 0
    for stop in range(1, len(order) + 1):
        # The next one would be the longest.
        if stop == len(order) or (stop + 1 - start) * int(counts[order[stop]]) > PASS:
            yield order[start:stop]
            start = stop


def _explain_batch(
    work: Work, network: Any, runtime: Engine | Graph, inputs: Mapping[str, Tensor]
) -> dict[str, np.ndarray]:
    """Explain some examples, given their raw inputs."""
    from ..lrp.edges import share

    name = work.model.inputs[0].name
    cut, mask, values = _features(work.model, network, inputs)
    found = runtime(values, work.target)
    result = {
        ELEMENTS: mask.sum(1).numpy().astype(np.int32),
        "example/outputs": found.outputs.numpy(),
        "example/explained": found.explained.numpy(),
        **{f"ledger/{part}": amounts.numpy() for part, amounts in found.ledger.items()},
        "element/input": cut[name].numpy(),
        "element/relevance": found.relevance.numpy(),
        **(work.columns(cut, values) if work.columns else {}),
    }
    for number, (graph, total, signed) in enumerate(found.edges):
        result[f"edge{number}/neighbour"] = graph.numpy().astype(np.int32)
        result[f"edge{number}/share"] = share(total).float().numpy()
        result[f"edge{number}/relevance"] = signed.float().numpy()
    return result


def _features(
    model: Model, network: Any, inputs: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], Tensor, Sequence[Tensor]]:
    """Return inputs without the padding that all have, which elements are real, and what ``features`` makes of them."""
    import torch

    mask = (inputs[model.inputs[0].name] != 0).any(-1)
    longest = int(mask.any(0).nonzero().amax()) + 1
    mask, sets = mask[:, :longest], {spec.name for spec in model.inputs if spec.set_axis}
    cut = {key: values[:, :longest] if key in sets else values for key, values in inputs.items()}
    with torch.no_grad():
        values = network.features(**cut)
    values = values if isinstance(values, tuple) else (values,)
    if values[0].shape[:2] != mask.shape:
        raise ExplainError(
            f"features: got shape {tuple(values[0].shape)}, expected {(*mask.shape, len(model.features.columns))}: "
            "an element in, an element out"
        )
    return cut, mask, values


def with_graph(work: Work, folder: Path) -> Work:
    """Return the work with the graph that explains, if that is asked for or pays (`runtimes.prepared`)."""
    batch = _load(work.dataset, work.indices[:COMPARED])
    inputs = {spec.name: batch[spec.name] for spec in work.model.inputs if spec.name in batch}
    values = _features(work.model, work.network, inputs)[2]
    examples = len(work.indices)
    return replace(work, graph=prepared(work.model, work.network, work.settings, values, folder, examples=examples))


def _carried(work: Work, batch: Mapping[str, Tensor], rows: Tensor, width: int) -> dict[str, np.ndarray]:
    """Return what goes from a batch into the file as it is; what elements count is cut like them."""
    return {
        name: (batch[array][rows][:, :width] if work.further[name].counted_by else batch[array][rows]).numpy()
        for name, array in work.carried.items()
    }


def _batch_size(model: Model, network: Any, places: Mapping[str, str]) -> int:
    """Return a batch whose widest messages stay near the caches."""
    import torch

    if not places:
        return BATCH
    numbers = []

    def note(_: object, values: tuple[Tensor, ...]) -> None:
        numbers.append(values[0].numel())

    probe = model.example(2, 0)
    first = next(network.body.parameters())
    inputs = {spec.name: probe[spec.name].to(first.dtype) for spec in model.inputs if spec.name in probe}
    hooks = [network.body.get_submodule(place).register_forward_pre_hook(note) for place in places]
    try:
        with torch.no_grad():
            network(**inputs)
    finally:
        for hook in hooks:
            hook.remove()
    sets, elements = inputs[model.inputs[0].name].shape[:2]
    return max(4, WIDEST // max(1, max(numbers) // (sets * elements)))


def _work_on(task: tuple[Work, list[int]]) -> dict[str, np.ndarray]:
    work, indices = task
    return dict(_explain_block(work, indices, lambda _: None))


def _use_one_thread() -> None:
    """Prepare a process: one thread, and memory that is freed stays with it."""
    import torch

    torch.set_num_threads(1)
    keep_freed_memory()


def _converted(network: Any, dtype: Any) -> Any:
    import copy

    return copy.deepcopy(network).to(dtype)


def _load(dataset: Any, indices: Sequence[int]) -> dict[str, Tensor]:
    batch: dict[str, Tensor] = dataset.__getitems__(list(indices))
    return batch


def _blocks(indices: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(indices), BLOCK):
        yield list(indices[start : start + BLOCK])


# -- arrays ------------------------------------------------------------------------------------------------------------
def _joined(
    parts: Sequence[Mapping[str, np.ndarray]], order: np.ndarray, columns: Mapping[str, Column]
) -> dict[str, np.ndarray]:
    """Put batches of different widths together, and bring the examples into their own order."""
    width = max(part["element/relevance"].shape[1] for part in parts)
    result = {}
    for name in parts[0]:
        column, pieces = column_of(columns, name), [part[name] for part in parts]
        if column.counted_by:
            pieces = [_widened(piece, width, column.filler) for piece in pieces]
        result[name] = np.concatenate(pieces)[order]
    return result


def _widened(values: np.ndarray, width: int, filler: int) -> np.ndarray:
    """Pad ``[examples, elements, ...]`` to ``width`` elements."""
    pads = [(0, 0), (0, width - values.shape[1])] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values, pads, constant_values=filler)


def _packed(part: Relevances, columns: Mapping[str, Column]) -> dict[str, np.ndarray]:
    """Return rows without padding."""
    mask = part.mask
    return {name: rows[mask] if column_of(columns, name).counted_by else rows for name, rows in part.items()}


def _numbered(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    return ((str(number), name) for number, name in enumerate(names))
