"""Edges: the graphs that a network finds, and the relevance of the messages along them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

__all__ = ["edge_sums", "graphs_found", "share"]


def edge_sums(activation: Tensor, gradient: Tensor) -> Tensor:
    """Sum |R| and R of edge messages ``[rows, k, channels]`` over channels: ``[2, rows, k]``.

    Signed sums add up to the relevance that flows through the edges. Sums of absolute values are what Mokhtar et al.
    (arXiv:2211.09912) rank edges by.
    """
    product = activation * gradient
    # Two plain sums: a norm over so short an axis takes several times as long.
    signed = product.sum(-1)
    return torch.stack([product.abs_().sum(-1), signed])


def share(total: Tensor) -> Tensor:
    """Divide sums of |R| ``[sets, elements, k]`` by their sum over the set; 0 where there is nothing to share."""
    return total / total.sum((1, 2), keepdim=True).clamp(min=torch.finfo(total.dtype).tiny)


@contextlib.contextmanager
def graphs_found(modules: Iterable[nn.Module], graphs: list[Tensor]) -> Iterator[None]:
    """Note every graph that modules find: neighbours ``[sets, elements, k]``, -1 where there is none."""

    def note(_: nn.Module, __: object, found: tuple[Tensor, Tensor]) -> None:
        graphs.append(torch.where(found[1], found[0], -1))

    with contextlib.ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_hook(note).remove)
        yield
