"""Sums over rows are written as scatters of single elements, with the same values; others are found in a graph."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from ..export.sums import losing, one_by_one


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


ONE, TWO = torch.tensor([0, 2, 2, -1, 0]), torch.tensor([1, 1, 1, -2, 0])
TABLE = torch.tensor([[0, 1, 1], [-1, 3, 3]])
# Made once: a recorded random number would be another one at every call.
ROWS, COLUMNS, TABLES, PAIRS = numbers(5, 3, 2), numbers(4, 5, 2), numbers(2, 3, 3, 2), numbers(5, 2)
SUMS: dict[str, Callable[[Tensor], Tensor]] = {
    "index_add": lambda v: v.index_add(0, ONE % 4, ROWS, alpha=2),
    "index_add of an inner axis": lambda v: v.index_add(1, TWO % 3, COLUMNS),
    "one index": lambda v: v.index_put((ONE,), ROWS, accumulate=True),
    "a table of indices": lambda v: v.index_put((TABLE,), TABLES, accumulate=True),
    "two indices": lambda v: v.index_put((ONE, TWO), PAIRS, accumulate=True),
    "indices that are broadcast": lambda v: v.index_put((TABLE[:, :1], TWO[None, :3]), PAIRS[0], accumulate=True),
    "all axes": lambda v: v.index_put((ONE, TWO, TWO), PAIRS[:, 0], accumulate=True),
    "the way back of a gather": torch.func.grad(lambda x: (x[ONE, TWO] * PAIRS).sum()),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums_have_the_same_values_one_by_one(name: str) -> None:
    values = numbers(4, 3, 2, seed=1)
    recorded = make_fx(SUMS[name], one_by_one())(values)
    called = {str(node.target) for node in recorded.graph.nodes}
    assert "aten.scatter_add.default" in called
    assert not called & {"aten.index_add.default", "aten.index_put.default"}
    torch.testing.assert_close(recorded(values), SUMS[name](values), rtol=1e-12, atol=1e-12)


def test_what_adds_nothing_up_stays_as_it_is() -> None:
    values, kept = numbers(4, 3, 2), torch.tensor([True, False, True, False])

    def written(v: Tensor) -> Tensor:
        return v.index_put((kept,), ROWS[:2]).index_put((ONE[:2],), ROWS[2:4])

    torch.testing.assert_close(make_fx(written, one_by_one())(values)(values), written(values))


def scatter(name: str, **attributes: str) -> onnx.NodeProto:
    return helper.make_node("ScatterND", ["data", "places", "updates"], [name], name=name, **attributes)


def test_sums_that_threads_may_lose_are_found_in_inner_graphs_too() -> None:
    value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, [4])
    inner = helper.make_graph([scatter("inner", reduction="add")], "branch", [], [value])
    choice = helper.make_node("If", ["condition"], ["out"], then_branch=inner, else_branch=inner)
    nodes = [scatter("plain"), scatter("none", reduction="none"), scatter("outer", reduction="max"), choice]
    graph = helper.make_graph(nodes, "graph", [], [], [helper.make_tensor("condition", TensorProto.BOOL, [], [True])])
    assert losing(graph) == ["outer", "inner", "inner"]
    elements = helper.make_node("ScatterElements", ["data", "places", "updates"], ["out"], reduction="add")
    assert losing(helper.make_graph([elements], "graph", [], [])) == []
