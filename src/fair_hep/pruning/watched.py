"""What isn't a layer and moves channels about, as it is called while a network runs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["Watched"]

_PRODUCTS = {
    torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.Tensor.__rmatmul__, torch.bmm, torch.Tensor.bmm,
    torch.baddbmm, torch.einsum, torch.nn.functional.scaled_dot_product_attention,
}  # fmt: skip


class Watched(TorchFunctionMode):
    """Notes, by the node of the backward graph, which calls gave a tensor another shape or joined two activations.

    Attributes
    ----------
    reshaped
        Length of the last axis before and after.
    products
        Nodes of matrix products of two activations: which axis holds whose channels isn't known behind them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reshaped: dict[Any, tuple[int, int]] = {}
        self.products: set[Any] = set()

    def __torch_function__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call, and note what came of it."""
        found = call(*args, **(kwargs or {}))
        if isinstance(found, Tensor) and found.grad_fn is not None and found.ndim:
            self._note(call, [one for one in args if isinstance(one, Tensor)], args, found)
        return found

    def _note(self, call: Any, given: list[Tensor], args: Any, found: Tensor) -> None:
        name = found.grad_fn.name() if found.grad_fn is not None else ""
        if call in _PRODUCTS:
            several = given or [one for part in args if isinstance(part, list | tuple) for one in part]
            if sum(one.requires_grad for one in several if isinstance(one, Tensor)) > 1:
                self.products.add(found.grad_fn)
        elif given and given[0].ndim and ("View" in name or "Reshape" in name):
            self.reshaped[found.grad_fn] = (given[0].shape[-1], found.shape[-1])
