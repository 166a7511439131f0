"""A network applied to a whole data set: what an evaluation is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.data import Dataset

    from ..models.contract import Model

__all__ = ["apply", "derived", "joined"]

#: Elements of a pass: with edges their messages stay near the caches; without, small passes would cost their start.
WITH_EDGES, WITHOUT_EDGES = 800, 8192
#: Among the targets: where each example starts, if it has many rows.
_OFFSETS = "offsets"


def derived(model: Model, dataset: Dataset[Any], batch_size: int) -> dict[str, np.ndarray]:
    """Return what the model's domain derives of every example, by the names of the quantities behind `DERIVED`.

    They aren't stored with the outputs: versions of a model are compared by the same targets as ever.
    """
    from ..bundle.derived import Elements, derived_values
    from ..data.batches import ordered_loader
    from .bins import DERIVED

    quantities = [quantity for quantity in model.domain() if quantity.single]
    specs = {spec.name: spec for spec in model.inputs}
    found: dict[str, list[np.ndarray]] = {DERIVED + quantity.name: [] for quantity in quantities}
    for batch in ordered_loader(dataset, batch_size) if quantities else ():
        elements = {q.input: Elements(specs[q.input], batch[q.input].numpy()) for q in quantities}
        for quantity in quantities:
            found[DERIVED + quantity.name].append(derived_values(quantity, elements[quantity.input]))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def apply(
    model: Model, network: nn.Module, dataset: Dataset[Any], batch_size: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Run a network over a whole data set, in order.

    Returns
    -------
    outputs, targets
        Raw outputs and targets by the names that the model declares, examples along the first axis. Those of sets come
        without padding, the rows of all examples one after the other; then ``offsets`` ``[examples + 1]`` among the
        targets says where each example starts.
    """
    import torch

    from ..data.batches import ordered_loader

    specs = {spec.name: spec for spec in (*model.outputs, *model.targets)}
    sets = any(spec.set_axis for spec in specs.values())
    collected: dict[str, list[np.ndarray]] = {name: [] for name in specs}
    counts: list[np.ndarray] = []
    with torch.inference_mode():
        for batch in ordered_loader(dataset, batch_size):
            # A row of zeros is padding.
            real = (batch[model.inputs[0].name] != 0).any(-1)
            values = _outputs(model, network, batch, real) | {spec.name: batch[spec.name] for spec in model.targets}
            for name, parts in collected.items():
                rows = values[name][real] if specs[name].set_axis else values[name]
                parts.append((rows.float() if rows.is_floating_point() else rows).numpy())
            counts.append(real.sum(1).numpy() if sets else np.zeros(0, np.int64))
    arrays = {name: np.concatenate(parts) for name, parts in collected.items()}
    targets = {spec.name: arrays[spec.name] for spec in model.targets}
    if sets:
        targets[_OFFSETS] = np.concatenate([[0], np.concatenate(counts).cumsum()]).astype(np.int64)
    return {spec.name: arrays[spec.name] for spec in model.outputs}, targets


def joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the arrays of a whole data set, given those of its parts in order."""
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != _OFFSETS}
    if _OFFSETS in parts[0]:
        counts = np.concatenate([np.diff(part[_OFFSETS]) for part in parts])
        whole[_OFFSETS] = np.concatenate([[0], counts.cumsum()]).astype(np.int64)
    return whole


def _outputs(model: Model, network: nn.Module, batch: Mapping[str, Tensor], real: Tensor) -> dict[str, Tensor]:
    """Return the outputs of a batch, computed in passes of sets of like size: padding costs time for nothing."""
    import torch

    from ..data.batches import passes

    inputs = {spec.name: batch[spec.name] for spec in model.inputs if spec.name in batch}
    if not model.inputs[0].set_axis:
        return _named(model, network(**inputs))
    sets = {spec.name for spec in (*model.inputs, *model.outputs) if spec.set_axis}
    lengths = (real * torch.arange(1, real.shape[1] + 1)).amax(1)
    found: dict[str, Tensor] = {}
    for rows in passes(lengths, WITH_EDGES if model.edges(network) else WITHOUT_EDGES):
        longest = max(1, int(lengths[rows].max()))
        cut = {name: values[rows][:, :longest] if name in sets else values[rows] for name, values in inputs.items()}
        for name, values in _named(model, network(**cut)).items():
            shape = (*real.shape, *values.shape[2:]) if name in sets else (len(real), *values.shape[1:])
            whole = found.setdefault(name, values.new_zeros(shape))
            if name in sets:
                whole[rows, :longest] = values
            else:
                whole[rows] = values
    return found


def _named(model: Model, values: Any) -> dict[str, Tensor]:
    values = values if isinstance(values, tuple) else (values,)
    return dict(zip((spec.name for spec in model.outputs), values, strict=True))
