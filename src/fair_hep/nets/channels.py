"""Where a layer has its channels, in each of its tensors: what must be known to make it narrower.

Layers of one's own are told by `register`; a layer without weights needs nothing.
"""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..bundle.errors import ModelError
from .layers import EdgeLinear
from .layouts import Layout, Sizes

__all__ = [
    "Layout",
    "Sizes",
    "heads_of",
    "layers_of",
    "layout_of",
    "narrowed",
    "of_each_channel",
    "register",
    "resized",
    "silence",
    "sizes_of",
]

_EACH = {"weight": 0, "bias": 0, "running_mean": 0, "running_var": 0}


def _convolution(axis: int) -> Layout:
    sizes = ("in_channels", "out_channels")
    return Layout(sizes, {"weight": 0, "bias": 0}, {"weight": 1}, axis=axis, fits=lambda layer: layer.groups == 1)


_LAYOUTS: dict[type[nn.Module], Layout] = {
    nn.Linear: Layout(("in_features", "out_features"), {"weight": 0, "bias": 0}, {"weight": 1}),
    nn.Conv1d: _convolution(-2),
    nn.Conv2d: _convolution(-3),
    nn.BatchNorm1d: Layout(("num_features", "num_features"), _EACH),
    nn.BatchNorm2d: Layout(("num_features", "num_features"), _EACH),
    EdgeLinear: Layout(("inputs", "outputs"), {"weight": 0, "bias": 0}, {"weight": 1}),
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
    """Return where a layer has its channels; None if nobody told, or if it has no one size of what enters (yet)."""
    known = _known()
    layout = next((known[kind] for kind in type(layer).__mro__ if kind in known), None)
    if layout is None or not layout.fits(layer):
        return None
    sizes = [getattr(layer, name) for name in layout.sizes]
    return layout if all(isinstance(size, int) and size > 0 for size in sizes) else None


def _known() -> Mapping[type[nn.Module], Layout]:
    if "torch_geometric" not in sys.modules:
        return _LAYOUTS
    # Its layers are told when somebody uses it, and only then.
    from .graph_channels import LAYOUTS

    return {**LAYOUTS, **_LAYOUTS}


def layers_of(body: nn.Module) -> dict[str, nn.Module]:
    """Return the layers of a network whose layout is known, by their names; not what lies within one."""
    found: dict[str, nn.Module] = {}
    for name, layer in body.named_modules():
        within = any(name.startswith(f"{other}.") or not other for other in found)
        if not within and layout_of(layer) is not None:
            found[name] = layer
    return found


def heads_of(layer: nn.Module) -> int:
    """Return how many channels of those that leave a layer go together."""
    return _layout(layer).heads(layer)


def sizes_of(layer: nn.Module) -> Sizes:
    """Return how many channels enter a layer and leave it, those of all heads.

    Raises
    ------
    ModelError
        If nobody told where it has them.
    """
    inputs, outputs = (int(getattr(layer, name)) for name in _layout(layer).sizes)
    return inputs, outputs * heads_of(layer)


def narrowed(layer: nn.Module, inputs: Tensor, outputs: Tensor) -> nn.Module:
    """Return a copy of a layer that has some of its channels only.

    Parameters
    ----------
    layer
        A layer whose layout is known.
    inputs, outputs
        Numbers of the channels that stay, of those that enter and of those that leave, the same in each head;
        ``outputs`` counts where they are the same.

    Raises
    ------
    ModelError
        If nobody told where it has its channels.
    """
    before, made = sizes_of(layer), copy.deepcopy(layer)
    after = (len(outputs) if _layout(layer).passes else len(inputs), len(outputs))
    for name, axis in _axes(made, "outputs").items():
        _replace(made, name, axis, _spread(outputs, before[1], _tensor(layer, name).shape[axis]))
    for name, axis in _axes(made, "inputs").items():
        _replace(made, name, axis, _spread(inputs, before[0], _tensor(layer, name).shape[axis]))
    _resize(made, before, after)
    return made


def silence(layer: nn.Module, inputs: Tensor, outputs: Tensor) -> None:
    """Set to 0, in place, the weights by which a layer hears some channels: of those that enter, and that leave."""
    for side, gone, size in zip(("inputs", "hears"), (inputs, outputs), sizes_of(layer), strict=True):
        for name, axis in _axes(layer, side).items():
            values = _tensor(layer, name).data
            values.index_fill_(axis, _spread(gone, size, values.shape[axis]), 0.0)


def resized(layer: nn.Module, sizes: Sizes) -> nn.Module:
    """Return a copy of a layer with fewer channels, and random weights as a new one of that size has them.

    Raises
    ------
    ModelError
        If it has fewer channels than that, or not as many in each head, or nobody told where it has them.
    """
    known, heads = sizes_of(layer), heads_of(layer)
    if any(wanted > most or wanted < 1 for wanted, most in zip(sizes, known, strict=True)):
        raise ModelError(f"{type(layer).__name__}: got {list(sizes)} channels, expected 1 to {list(known)}")
    if sizes[1] % heads:
        raise ModelError(f"{type(layer).__name__}: got {sizes[1]} channels that leave, expected a multiple of {heads}")
    each = torch.arange(heads)[:, None] * (known[1] // heads) + torch.arange(sizes[1] // heads)
    made = narrowed(layer, torch.arange(sizes[0]), each.flatten())
    fresh: Any = getattr(made, "reset_parameters", None)
    if fresh is not None:
        fresh()
    return made


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
        ``[channels]``; what belongs to a channel of all heads is counted at that of the first.
    """
    size = sizes_of(layer)[0 if side == "inputs" else 1]
    total = torch.zeros(size, dtype=next((value.dtype for value in values.values()), None))
    for name, axis in _axes(layer, side).items():
        if name in values:
            rows = values[name].movedim(axis, 0).reshape(values[name].shape[axis], -1).sum(1)
            total.index_add_(0, torch.arange(len(rows)) % size, rows)
    return total


def _layout(layer: nn.Module) -> Layout:
    known = layout_of(layer)
    if known is None:
        raise ModelError(
            f"{type(layer).__name__}: where it has its channels isn't known; tell it by fair_hep.nets.channels.register"
        )
    return known


def _parts(layer: nn.Module) -> dict[str, nn.Module]:
    """Return the layers within a layer that share its channels, each once."""
    found: dict[str, nn.Module] = {}
    for name in _layout(layer).parts:
        part: Any = getattr(layer, name, None)
        several = part.named_children() if isinstance(part, nn.ModuleList) else [("", part)]
        for number, one in several:
            if one is not None and layout_of(one) is not None and one not in found.values():
                found[f"{name}.{number}".rstrip(".")] = one
    return found


def _axes(layer: nn.Module, side: str) -> dict[str, int]:
    """Return the axis of the channels of one side, by the name of the tensor, of a layer and all its parts."""
    own: Mapping[str, int] = getattr(_layout(layer), side)
    axes = {name: axis for name, axis in own.items() if _tensor(layer, name) is not None}
    for part, one in _parts(layer).items():
        axes |= {f"{part}.{name}": axis for name, axis in _axes(one, side).items()}
    return axes


def _tensor(layer: nn.Module, name: str) -> Any:
    """Return a tensor of a layer or of what lies in it; None if it hasn't got it."""
    start: Any = layer
    return functools.reduce(lambda owner, part: getattr(owner, part, None), name.split("."), start)


def _spread(channels: Tensor, size: int, length: int) -> Tensor:
    """Return where channels are in a tensor that has them several times, or those of one head only."""
    if length < size:
        return channels[channels < length]
    return torch.cat([channels + start for start in range(0, length, size)])


def _replace(layer: nn.Module, name: str, axis: int, kept: Tensor) -> None:
    """Keep some channels of a tensor that a layer owns."""
    path, _, last = name.rpartition(".")
    owner, tensor = layer.get_submodule(path), _tensor(layer, name)
    values = tensor.detach().index_select(axis, kept)
    setattr(owner, last, nn.Parameter(values, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else values)


def _resize(layer: nn.Module, before: Sizes, after: Sizes) -> None:
    """Tell a layer and its parts how many channels they have."""
    names = dict(zip(_layout(layer).sizes, zip(before, after, strict=True), strict=True))
    parts = _parts(layer)
    for name, (old, new) in names.items():
        setattr(layer, name, getattr(layer, name) * new // old)
    for part in parts.values():
        _resize(part, before, after)
