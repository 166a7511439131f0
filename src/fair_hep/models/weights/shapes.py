"""Whether tensors fit a network: everything that doesn't is said at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...bundle.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from .names import Names

__all__ = ["fitted"]

#: A batch norm counts its training steps, which changes no answer; old files don't have it.
_COUNTER = "num_batches_tracked"


def fitted(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], names: Names, where: str) -> dict[str, Tensor]:
    """Return tensors under our names, trailing axes of length 1 taken off where ours have fewer.

    Parameters
    ----------
    given
        Tensors of the file.
    wanted
        State of a network of ours.
    names
        What theirs are called in ours.
    where
        Name of the file, for the message.

    Raises
    ------
    ModelError
        If a tensor is missing, left over, given twice, of another shape or type, or holds values that aren't finite.
    """
    import torch

    problems: dict[str, list[str]] = {}
    found: dict[str, Tensor] = {}
    sources: dict[str, str] = {}
    for theirs, tensor in given.items():
        ours = names.ours(theirs)
        if ours is None:
            continue
        if ours not in wanted:
            problems.setdefault("left over", []).append(theirs if ours == theirs else f"{theirs} (as {ours})")
        elif ours in sources:
            problems.setdefault("twice", []).append(f"{ours} from {sources[ours]} and {theirs}")
        else:
            sources[ours] = theirs
            found[ours] = _squeezed(tensor, wanted[ours])
            if line := _difference(found[ours], wanted[ours], tensor):
                problems.setdefault("different", []).append(f"{theirs} {line}")
    missing = [name for name in wanted if name not in sources and not name.endswith(_COUNTER)]
    if missing:
        problems = {"missing": missing, **problems}
    if problems:
        lines = [f"{what} ({len(those)}): {', '.join(those)}" for what, those in problems.items()]
        raise ModelError(
            f"{where} doesn't fit the network: {'; '.join(lines)}. Nothing was written: mend the table of names "
            "(--names), or choose the network that it was trained for (model.KEY=VALUE)"
        )
    return {name: found.get(name, torch.zeros_like(like)).contiguous() for name, like in wanted.items()}


def _squeezed(tensor: Tensor, wanted: Tensor) -> Tensor:
    """Take off kernel axes of length 1: a convolution of width one is a linear map."""
    while tensor.dim() > wanted.dim() and tensor.shape[-1] == 1:
        tensor = tensor.squeeze(-1)
    return tensor


def _difference(tensor: Tensor, wanted: Tensor, given: Tensor) -> str:
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        return f"is no plain tensor ({str(tensor.layout).removeprefix('torch.')})"
    if tensor.shape != wanted.shape:
        return f"has shape {list(given.shape)}, expected {list(wanted.shape)}"
    if tensor.dtype != wanted.dtype:
        return f"is {_type(tensor)}, expected {_type(wanted)}"
    if not bool(tensor.isfinite().all()):
        return "holds values that aren't finite"
    return ""


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
