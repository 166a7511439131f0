"""How one says where a kind of layer has its channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Layout", "Sizes"]

#: Channels that enter a layer, and that leave it.
Sizes = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """Where the channels of a kind of layer are.

    A tensor that is several times as long as there are channels has them several times, one after the other.

    Parameters
    ----------
    sizes
        Attributes of the layer that say how many channels enter and leave; the same one twice for a layer that has a
        weight for each channel, such as a normalisation.
    inputs, outputs
        Axis of the channels that enter and that leave, by the name of the tensor; one that a layer hasn't got is left
        out.
    parts
        Layers within it, or lists of such, that all hear what enters and make what leaves.
    heads
        Says of a layer how often the channels that its size names leave, one after the other; they go together.
    hears
        Axis of the channels that leave, by the name of a tensor through which the layer hears them itself, such as the
        weights of its attention; `outputs` names that tensor as well.
    axis
        Axis of the channels in the values that enter.
    fits
        Says of a layer of that kind whether this holds for it.
    """

    sizes: tuple[str, str]
    outputs: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, int] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    heads: Callable[[Any], int] = lambda layer: 1
    hears: Mapping[str, int] = field(default_factory=dict)
    axis: int = -1
    fits: Callable[[Any], bool] = lambda layer: True

    @property
    def passes(self) -> bool:
        """Whether every channel that leaves is one that entered."""
        return self.sizes[0] == self.sizes[1]
