"""What copies a tensor and changes nothing is taken out of a recorded graph; what changes something stays."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from fair_hep.tracing.copies import without_copies


def products(values: Tensor, weights: Tensor) -> Tensor:
    """Multiply batches of matrices, with views and an axis on the way."""
    flat = values.reshape(-1, values.shape[2]).reshape(values.shape)
    wide = flat[:, None].expand(-1, 3, -1, -1).reshape(-1, *values.shape[1:])
    return (wide @ weights.repeat(3, 1, 1))[:, :, :]


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_copies_go_and_values_stay() -> None:
    given = numbers(5, 4, 2), numbers(5, 2, 7)
    recorded = make_fx(products, tracing_mode="symbolic")(*given)
    wanted, before = recorded(*given), len(recorded.graph.nodes)
    less = without_copies(recorded)
    assert len(less.graph.nodes) < before
    for node in less.graph.nodes:
        if node.target in (torch.ops.aten.expand.default, torch.ops.aten.slice.Tensor):
            assert node.meta["val"].shape != node.args[0].meta["val"].shape
        if node.target is torch.ops.aten.view.default:
            assert node.args[0].target is not torch.ops.aten.view.default
    assert any(node.target is torch.ops.aten.expand.default for node in less.graph.nodes)
    torch.testing.assert_close(less(*given), wanted)
    more = numbers(2, 6, 2), numbers(2, 2, 3)
    torch.testing.assert_close(less(*more), products(*more))
