"""A network as torch-pruning is shown it: layers are single steps, and what must stay ends in an output."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..bundle.errors import ModelError
from ..lrp.treatments import find_held
from ..nets.channels import layers_of, layout_of, sizes_of
from .watched import Watched

if TYPE_CHECKING:
    from torch_pruning.pruner.function import BasePruningFunc

__all__ = ["Traced", "unknown_layers"]

#: Their statistics run over channels: without one of them all others would change, so that all stay.
OVER_CHANNELS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def unknown_layers(body: nn.Module, kept: Sequence[str]) -> tuple[str, ...]:
    """Return the layers that stay, by their names: their channels can't go, or nobody told where they have them.

    Raises
    ------
    ModelError
        If nobody told of a layer that isn't among those that are kept.
    """
    unknown = tuple(_unknown(body, ""))
    kinds = {name: body.get_submodule(name) for name in unknown if name not in kept}
    told = [f"{name} ({type(one).__name__})" for name, one in kinds.items() if not isinstance(one, OVER_CHANNELS)]
    if told:
        raise ModelError(
            f"where these layers have their channels isn't known: {', '.join(told)}; tell it by "
            "fair_hep.nets.channels.register, or leave them as they are with prune.keep"
        )
    return unknown


def _unknown(module: nn.Module, name: str) -> Iterator[str]:
    """Give the innermost modules that own parameters and have no layout; a single number belongs to no channel.

    A module with others in it is none: what its own parameters touch stays, such as the width of a learned token.
    """
    if layout_of(module) is not None:
        return
    inner = list(module.named_children())
    if isinstance(module, OVER_CHANNELS) or (not inner and any(one.numel() > 1 for one in module.parameters())):
        yield name
        return
    for child, part in inner:
        yield from _unknown(part, f"{name}.{child}" if name else child)


class Traced(nn.Module):
    """A copy of a body whose layers are one node of the backward graph each.

    Outputs, and all that explanations hold constant, end in a product: channels that reach one stay.

    Parameters
    ----------
    body
        Network in evaluation mode.
    columns
        Number of its features.
    unknown
        Layers that are one node as well, and keep all channels that they touch.
    """

    def __init__(self, body: nn.Module, columns: int, unknown: Sequence[str]) -> None:
        super().__init__()
        self.source = _Source(columns)
        self.body = copy.deepcopy(body)
        self.constants: list[Tensor] = []
        self.watched = Watched()
        self.layers = layers_of(self.body)
        strange = [self.body.get_submodule(name) for name in unknown]
        self.fixed: set[nn.Module] = {self.source, *strange}
        for layer in (*self.layers.values(), *strange):
            _as_one_node(layer, self.constants)
        for module in self.body.modules():
            for name in find_held(module):
                _hold(module, name, self.constants)

    def forward(self, values: Tensor, *context: Any) -> list[Tensor]:
        """Return what must stay."""
        with self.watched:
            found = self.body(self.source(values), *context)
        outputs = [found] if isinstance(found, Tensor) else list(found)
        return [output * 1.0 for output in (*outputs, *self.constants) if output.requires_grad]

    def names(self) -> dict[nn.Module, str]:
        """Return the layers whose channels can go, each with its name in the body."""
        return {layer: name for name, layer in self.layers.items()}

    def roots(self) -> list[type[nn.Module]]:
        """Return the kinds of layers that make channels."""
        return list({type(layer) for layer in self.layers.values() if not _passes(layer)})

    def pruners(self) -> dict[type[nn.Module], BasePruningFunc]:
        """Return for each kind of layer how many channels it has, as torch-pruning wants to be told."""
        kinds = {type(layer): layer for layer in (*self.layers.values(), *self.fixed)}
        return {kind: _pruner(passes=_passes(layer)) for kind, layer in kinds.items()}


class _Source(nn.Module):
    """The features, as a layer: what joins them to other values has a place for each of them."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = _OneNode.apply(torch.clone, values.detach().requires_grad_(True))
        return found


class _OneNode(torch.autograd.Function):
    """A layer as one node of the backward graph; it has no backward pass, as nobody wants a gradient."""

    @staticmethod
    def forward(context: Any, layer: Any, values: Tensor) -> Any:
        return layer(values)


def _as_one_node(layer: nn.Module, constants: list[Tensor]) -> None:
    """Let a layer be one node; what enters beside its channels, and was learned, stays."""
    forward = layer.forward

    def alone(*inputs: Any, **named: Any) -> Any:
        values, *others = (*inputs, *named.values())
        learned = [other for other in others if isinstance(other, Tensor) and other.requires_grad]
        constants.extend(learned)

        def compute(first: Tensor) -> Any:
            given = [first, *others]
            return forward(*given[: len(inputs)], **dict(zip(named, given[len(inputs) :], strict=True)))

        return _OneNode.apply(compute, values)

    layer.forward = alone


def _hold(module: Any, name: str, constants: list[Tensor]) -> None:
    """Let a method or module give constants, and note what it gave."""
    part = getattr(module, name)
    compute = part.forward if isinstance(part, nn.Module) else part

    def held(*arguments: Any, **options: Any) -> Any:
        found = compute(*arguments, **options)
        constants.extend(value for value in _tensors(found) if value.is_floating_point())
        return found.detach() if isinstance(found, Tensor) else type(found)(value.detach() for value in found)

    if isinstance(part, nn.Module):
        part.forward = held
    else:
        setattr(module, name, held)


def _tensors(found: Any) -> tuple[Tensor, ...]:
    return (found,) if isinstance(found, Tensor) else tuple(found)


def _passes(layer: nn.Module) -> bool:
    layout = layout_of(layer)
    return layout is not None and layout.passes


def _channels(layer: nn.Module) -> tuple[int, int] | None:
    if isinstance(layer, _Source):
        return layer.columns, layer.columns
    return sizes_of(layer) if layout_of(layer) is not None else None


#: Torch-pruning compares these functions to tell the sides of a layer apart; `groups.without` takes channels away.
_SIDE = "this function names a side of a layer, and takes nothing away"


def _pruner(*, passes: bool) -> BasePruningFunc:
    """Return what torch-pruning asks for sizes; it takes nothing away itself."""
    from torch_pruning.pruner.function import BasePruningFunc

    class Pruner(BasePruningFunc):
        def prune_out_channels(self, layer: nn.Module, idxs: Sequence[int]) -> nn.Module:
            raise RuntimeError(_SIDE)

        def prune_in_channels(self, layer: nn.Module, idxs: Sequence[int]) -> nn.Module:
            raise RuntimeError(_SIDE)

        def get_out_channels(self, layer: nn.Module) -> int | None:
            sizes = _channels(layer)
            return None if sizes is None else sizes[1]

        def get_in_channels(self, layer: nn.Module) -> int | None:
            sizes = _channels(layer)
            return None if sizes is None else sizes[0]

    class Passing(Pruner):
        prune_in_channels = Pruner.prune_out_channels

    return Passing() if passes else Pruner()
