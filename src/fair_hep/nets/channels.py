"""Where a layer has its channels, in each of its tensors: what must be known to make it narrower.

Layers of one's own are told by `register`; a layer without weights needs nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..bundle.errors import ModelError
from .layers import EdgeLinear

__all__ = ["Layout", "Sizes", "layout_of", "narrowed", "of_each_channel", "register", "resized", "sizes_of"]

#: Channels that enter a layer, and that leave it.
Sizes = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """Where the channels of a kind of layer are.

    Parameters
    ----------
    inputs, outputs
        Axis of the channels that enter and that leave, by the name of the tensor.
    sizes
        Attributes of the layer that say how many channels enter and leave; the same one twice for a layer that has a
        weight for each channel, such as a normalisation.
    copies
        How often the channels that enter come one after the other in a tensor, by its name.
    """

    sizes: tuple[str, str]
    outputs: Mapping[str, int]
    inputs: Mapping[str, int] = field(default_factory=dict)
    copies: Mapping[str, int] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """Whether every channel that leaves is one that entered."""
        return self.sizes[0] == self.sizes[1]


_EACH = {"weight": 0, "bias": 0, "running_mean": 0, "running_var": 0}
_LAYOUTS: dict[type[nn.Module], Layout] = {
    nn.Linear: Layout(("in_features", "out_features"), {"weight": 0, "bias": 0}, {"weight": 1}),
    nn.BatchNorm1d: Layout(("num_features", "num_features"), _EACH),
    EdgeLinear: Layout(("inputs", "outputs"), {"weight": 0, "bias": 0}, {"weight": 1}, {"weight": 2}),
}


def register(kind: type[nn.Module], layout: Layout) -> None:
    """Tell where a kind of layer has its channels, so that it can be pruned.

    Examples
    --------
    >>> from fair_hep.nets.channels import Layout, register
    >>> class Scaled(torch.nn.Linear):
    ...     "The same map with a factor for each channel that leaves."
    >>> axes = {"weight": 0, "bias": 0, "factor": 0}
    >>> register(Scaled, Layout(("in_features", "out_features"), outputs=axes, inputs={"weight": 1}))
    >>> sizes_of(Scaled(3, 5))
    (3, 5)
    """
    _LAYOUTS[kind] = layout


def layout_of(layer: nn.Module) -> Layout | None:
    """Return where a layer has its channels; None if nobody told."""
    return next((_LAYOUTS[kind] for kind in type(layer).__mro__ if kind in _LAYOUTS), None)


def sizes_of(layer: nn.Module) -> Sizes:
    """Return how many channels enter a layer and leave it.

    Raises
    ------
    ModelError
        If nobody told where it has them.
    """
    inputs, outputs = (int(getattr(layer, name)) for name in _layout(layer).sizes)
    return inputs, outputs


def narrowed(layer: nn.Module, inputs: Tensor, outputs: Tensor) -> nn.Module:
    """Return a copy of a layer that has some of its channels only.

    Parameters
    ----------
    layer
        A layer whose layout is known.
    inputs, outputs
        Numbers of the channels that stay, of those that enter and of those that leave; ``outputs`` counts where they
        are the same.

    Raises
    ------
    ModelError
        If nobody told where it has its channels.
    """
    layout, made = _layout(layer), copy.deepcopy(layer)
    for name, axis in layout.outputs.items():
        _replace(made, name, axis, outputs)
    size = sizes_of(layer)[0]
    for name, axis in layout.inputs.items():
        repeated = [inputs + number * size for number in range(layout.copies.get(name, 1))]
        _replace(made, name, axis, torch.cat(repeated))
    setattr(made, layout.sizes[0], len(outputs) if layout.passes else len(inputs))
    setattr(made, layout.sizes[1], len(outputs))
    return made


def resized(layer: nn.Module, sizes: Sizes) -> nn.Module:
    """Return a copy of a layer with fewer channels, and random weights as a new one of that size has them.

    Raises
    ------
    ModelError
        If it has fewer channels than that, or nobody told where it has them.
    """
    if any(wanted > known or wanted < 1 for wanted, known in zip(sizes, sizes_of(layer), strict=True)):
        raise ModelError(f"{type(layer).__name__}: got {list(sizes)} channels, expected 1 to {list(sizes_of(layer))}")
    made = narrowed(layer, torch.arange(sizes[0]), torch.arange(sizes[1]))
    fresh: Any = getattr(made, "reset_parameters", None)
    if fresh is not None:
        fresh()
    return made


def _layout(layer: nn.Module) -> Layout:
    known = layout_of(layer)
    if known is None:
        raise ModelError(
            f"{type(layer).__name__}: where it has its channels isn't known; tell it by fair_hep.nets.channels.register"
        )
    return known


def _replace(layer: nn.Module, name: str, axis: int, kept: Tensor) -> None:
    """Keep some channels of a tensor that a layer owns."""
    path, _, last = name.rpartition(".")
    owner = layer.get_submodule(path)
    tensor = getattr(owner, last)
    if tensor is None:
        return
    values = tensor.detach().index_select(axis, kept)
    setattr(owner, last, nn.Parameter(values, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else values)


def of_each_channel(layer: nn.Module, side: str, values: Mapping[str, Tensor]) -> Tensor:
    """Sum values of a layer's weights over all that belongs to a channel.

    Parameters
    ----------
    layer
        A layer whose layout is known.
    side
        ``inputs`` or ``outputs``: whose channels.
    values
        By the name of the tensor, in its shape; what isn't named counts as 0.

    Returns
    -------
    sums
        ``[channels]``.
    """
    layout = _layout(layer)
    axes, size = (layout.inputs, sizes_of(layer)[0]) if side == "inputs" else (layout.outputs, sizes_of(layer)[1])
    total = torch.zeros(size)
    for name, axis in axes.items():
        if name in values:
            copies = layout.copies.get(name, 1) if side == "inputs" else 1
            rows = values[name].movedim(axis, 0).flatten(1) if values[name].ndim > 1 else values[name][:, None]
            total = total + rows.sum(1).reshape(copies, size).sum(0)
    return total
