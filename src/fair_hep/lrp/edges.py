"""Edges: the graphs that a network finds, and the relevance of the messages along them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from ..bundle.errors import ExplainError

__all__ = ["edge_sums", "frozen_graphs", "graphs_found", "share"]


class _EdgeSums:
    """Sum |R| and R of edge messages over channels: ``[2, rows, k]``.

    Signed sums add up to the relevance that flows through the edges. Sums of absolute values are what Mokhtar et al.
    (arXiv:2211.09912) rank edges by.
    """

    def __call__(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Sum the products of activations and gradients, each ``[rows, k, channels]``."""
        product = activation * gradient
        # Two plain sums: a norm over so short an axis takes several times as long.
        signed = product.sum(-1)
        return torch.stack([product.abs_().sum(-1), signed])

    def weighted(self, activation: Tensor, gradient: Tensor, weights: Tensor, *, positive: bool) -> Tensor:
        """Do the same where messages are summed with weights ``[rows, k]``, given the sum's gradient.

        The gradient of a message is its weight times that of the sum ``[rows, channels]``, so that both sums over
        channels are products. ``positive``: no activation is below 0.
        """
        if not positive:
            return self(activation, weights[..., None] * gradient[:, None, :])
        both = torch.stack([gradient.abs(), gradient], 1) @ activation.transpose(1, 2)
        return (both * torch.stack([weights.abs(), weights], 1)).transpose(0, 1)


edge_sums = _EdgeSums()


def share(total: Tensor) -> Tensor:
    """Divide sums of |R| ``[sets, elements, k]`` by their sum over the set; 0 where there is nothing to share."""
    return total / total.sum((1, 2), keepdim=True).clamp(min=torch.finfo(total.dtype).tiny)


@contextlib.contextmanager
def graphs_found(network: nn.Module, finders: Mapping[str, str]) -> Iterator[dict[str, Tensor]]:
    """Note the graphs that a network finds in its last pass: neighbours ``[sets, elements, k]``, -1: no edge.

    Parameters
    ----------
    network
        What is run.
    finders
        For every place with edges the name of the module that finds its graph.

    Yields
    ------
    graphs
        The graph of every place, empty before the first pass.

    Raises
    ------
    ExplainError
        If a module finds more than one graph in a pass, so that it isn't known which place has which.
    """
    graphs: dict[str, Tensor] = {}

    def noted(place: str, finder: str) -> Callable[..., None]:
        def note(_: nn.Module, __: object, found: tuple[Tensor, Tensor]) -> None:
            if place in graphs:
                raise ExplainError(
                    f"edges: {finder!r} finds several graphs in one pass, and it isn't known which is that of "
                    f"{place!r}: give every place a module of its own that finds its graph"
                )
            graphs[place] = torch.where(found[1], found[0], -1)

        return note

    with contextlib.ExitStack() as stack:
        stack.callback(network.register_forward_pre_hook(lambda *_: graphs.clear()).remove)
        for place, finder in finders.items():
            stack.callback(network.get_submodule(finder).register_forward_hook(noted(place, finder)).remove)
        yield graphs


@contextlib.contextmanager
def frozen_graphs(
    network: nn.Module, finders: Mapping[str, str], graphs: Mapping[str, Tensor], kept: Tensor
) -> Iterator[None]:
    """Let a network find given graphs (as `graphs_found` notes them), less the edges of elements that aren't kept.

    Parameters
    ----------
    network, finders
        As of `graphs_found`.
    graphs
        Neighbours ``[sets, elements, k]`` for every place, -1 where there is none.
    kept
        Elements that stay ``[sets, elements]``.
    """
    with contextlib.ExitStack() as stack:
        for place, finder in finders.items():
            graph, module = graphs[place], network.get_submodule(finder)
            index = graph.clamp(min=0)
            ends = kept[:, None, :].expand(-1, index.shape[1], -1).gather(2, index)
            answer = (index, (graph >= 0) & ends & kept[..., None])
            stack.callback(module.register_forward_hook(lambda *_, answer=answer: answer).remove)
        yield
