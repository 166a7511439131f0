"""A block of examples in passes: those of like size together, each cut to the largest of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.errors import ExplainError
from ..models.contract import Model
from .relevances import ELEMENTS, Column, Relevances, column_of
from .runtimes import ELEMENTS as PASS
from .runtimes import Engine, Graph
from .work import Work

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["explain_block", "features_of", "load", "packed"]

#: Examples of one pass of a network without edges.
BATCH = 32
#: Numbers that the widest message of a pass may have: explanations are bound by memory traffic, caches are small.
WIDEST = 3 * 2**13


def explain_block(work: Work, indices: list[int], tell: Callable[[int], object]) -> Relevances:
    """Explain a block of examples batch by batch, those of like size together; ``tell`` hears how many are done."""
    import torch

    model, settings = work.model, work.settings
    dtype = getattr(torch, settings.precision)
    network = work.network if dtype == torch.float32 else _converted(work.network, dtype)
    batch = load(work.dataset, indices)
    counts = (batch[model.inputs[0].name] != 0).any(-1).sum(1)
    order = counts.argsort(stable=True)
    parts = []
    with work.graph or Engine(model, network, settings) as runtime:
        for rows in _batches(work, network, counts):
            inputs = {spec.name: batch[spec.name][rows].to(dtype) for spec in model.inputs if spec.name in batch}
            part = _explain_batch(work, network, runtime, inputs)
            parts.append({**part, **_carried(work, batch, rows, part["element/relevance"].shape[1])})
            tell(len(rows))
    joined = _joined(parts, np.argsort(order.numpy()), work.layout)
    return Relevances(
        {"example/index": np.asarray(indices, np.int64), "example/label": batch["label"].numpy(), **joined}
    )


def _batches(work: Work, network: Any, counts: Tensor) -> Iterable[Tensor]:
    """Share examples out among passes by rising size."""
    from ..data.batches import passes

    places, size = work.model.edges(network), work.settings.batch_size
    if work.graph and not size:
        return passes(counts, PASS if places else 8 * PASS)
    return counts.argsort(stable=True).split(size or _batch_size(work.model, network, places))


def _explain_batch(
    work: Work, network: Any, runtime: Engine | Graph, inputs: Mapping[str, Tensor]
) -> dict[str, np.ndarray]:
    """Explain some examples, given their raw inputs."""
    from ..lrp.edges import share

    name = work.model.inputs[0].name
    cut, mask, values = features_of(work.model, network, inputs)
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


def features_of(
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


def _converted(network: Any, dtype: Any) -> Any:
    import copy

    return copy.deepcopy(network).to(dtype)


def load(dataset: Any, indices: Sequence[int]) -> dict[str, Tensor]:
    """Return some examples of a data set as a batch."""
    batch: dict[str, Tensor] = dataset.__getitems__(list(indices))
    return batch


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


def packed(part: Relevances, columns: Mapping[str, Column]) -> dict[str, np.ndarray]:
    """Return rows without padding."""
    mask = part.mask
    return {name: rows[mask] if column_of(columns, name).counted_by else rows for name, rows in part.items()}
