"""What to do about layers of torch that do in one call what no rule can look into, or what doesn't export."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["nested", "one_call"]

NESTED = (
    "make it as torch.nn.TransformerEncoder(..., enable_nested_tensor=False): nested tensors have no rule and no ONNX, "
    "and an empty set can't be one"
)
WRITTEN_OUT = (
    "write attention out: a module gives the weights, torch.nn.Softmax of query times key, and is named in the class "
    "attribute `held` of the layer that multiplies the values by them; docs/how-tos/transformer.md of the template has "
    "such a layer to copy"
)


def nested(network: nn.Module) -> str:
    """Say what to do about encoders that pack sets as nested tensors; nothing if there are none."""
    from torch import nn

    packing = any(
        isinstance(module, nn.TransformerEncoder) and getattr(module, "use_nested_tensor", True)
        for module in network.modules()
    )
    return NESTED if packing else ""


def one_call(network: nn.Module) -> str:
    """Say what to do about attention that is one call of torch; nothing if there is none."""
    from torch import nn

    found = any(isinstance(module, nn.MultiheadAttention) for module in network.modules())
    return WRITTEN_OUT if found else ""
