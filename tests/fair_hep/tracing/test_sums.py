"""Sums are recorded as what ONNX Runtime adds up without loss, with the same values; others are found in a graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from fair_hep.tracing.sums import Sums, losing, translations


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


#: Takes indices of inner axes too, as the way back of a gather does.
index_put = torch.ops.aten.index_put
#: An axis of any length.
DIM = torch.export.Dim
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
    "an inner index": lambda v: index_put(v, [None, TWO], COLUMNS, True),
    "inner indices": lambda v: index_put(v, [None, TWO, ONE % 2], COLUMNS[..., 0], True),
    "indices of 32 bits": lambda v: v.index_add(0, (ONE % 4).int(), ROWS),
    "indices that are broadcast": lambda v: v.index_put((TABLE[:, :1], TWO[None, :3]), PAIRS[0], accumulate=True),
    "all axes": lambda v: v.index_put((ONE, TWO, TWO), PAIRS[:, 0], accumulate=True),
    "the way back of a gather": torch.func.grad(lambda x: (x[ONE, TWO] * PAIRS).sum()),
    "the way back of an inner gather": torch.func.grad(lambda x: (x[:, TWO] * COLUMNS).sum()),
}


@pytest.mark.parametrize("name", SUMS)
def test_recorded_sums_have_the_same_values(name: str) -> None:
    values = numbers(4, 3, 2, seed=1)
    recorded = make_fx(SUMS[name], Sums().decompositions())(values)
    called = {str(node.target) for node in recorded.graph.nodes}
    assert "aten.scatter_add.default" in called
    assert not called & {"aten.index_add.default", "aten.index_put.default"}
    torch.testing.assert_close(recorded(values), SUMS[name](values), rtol=1e-12, atol=1e-12)


def test_what_adds_nothing_up_stays_as_it_is() -> None:
    values, kept = numbers(4, 3, 2), torch.tensor([True, False, True, False])

    def written(v: Tensor) -> Tensor:
        return v.index_put((kept,), ROWS[:2]).index_put((ONE[:2],), ROWS[2:4])

    torch.testing.assert_close(make_fx(written, Sums().decompositions())(values)(values), written(values))


def scatter(name: str, **attributes: str) -> onnx.NodeProto:
    return helper.make_node("ScatterND", ["data", "places", "updates"], [name], name=name, **attributes)


def test_sums_that_threads_may_lose_are_found_in_inner_graphs_and_functions_too() -> None:
    value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, [4])
    inner = helper.make_graph([scatter("inner", reduction="add")], "branch", [], [value])
    choice = helper.make_node("If", ["condition"], ["out"], then_branch=inner, else_branch=inner)
    nodes = [scatter("plain"), scatter("none", reduction="none"), scatter("outer", reduction="max"), choice]
    graph = helper.make_graph(nodes, "graph", [], [], [helper.make_tensor("condition", TensorProto.BOOL, [], [True])])
    own = helper.make_function("own", "Sum", ["data"], ["out"], [scatter("function", reduction="add")], [])
    assert losing(helper.make_model(graph, functions=[own])) == ["outer", "inner", "inner", "function"]
    elements = helper.make_node("ScatterElements", ["data", "places", "updates"], ["out"], reduction="add")
    assert losing(helper.make_model(helper.make_graph([elements], "graph", [], []))) == []


@pytest.mark.parametrize("dims", [[1], [0, 1], [2]])
def test_sums_over_axes_keep_their_values(dims: list[int]) -> None:
    values, other = numbers(4, 3, 2), numbers(4, 3, 2, seed=1)

    def summed(v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        products = v.reshape(4, 1, 6) @ other.reshape(4, 6, 1)
        return v.sum(dims), v.sum(dims, keepdim=True), products

    recorded = make_fx(summed, Sums().decompositions())(values)
    torch.testing.assert_close(recorded(values), summed(values), rtol=1e-12, atol=1e-12)


class Sent(torch.nn.Module):
    """What every row is sent along edges, summed."""

    def forward(self, rows: Tensor, index: Tensor, sent: Tensor) -> Tensor:
        """Sum ``sent [sets * edges, columns]`` at ``index [sets * edges]`` into ``rows [sets, elements, columns]``."""
        return torch.zeros_like(rows).flatten(0, 1).index_add(0, index, sent).reshape(rows.shape)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph of sums over rows that belong to sets, with every size free."""
    example = (torch.zeros(3, 7, 2), torch.zeros(3 * 5, dtype=torch.long), torch.zeros(3 * 5, 2))
    sums = Sums()

    def recorded(rows: Tensor, index: Tensor, sent: Tensor) -> Tensor:
        sums.sets = rows.shape[0]
        # So that the number of edges is known to be a multiple of that of the sets.
        edges = index.reshape(rows.shape[0], -1).flatten()
        return Sent()(rows, edges, sent.reshape(rows.shape[0], -1, sent.shape[1]).flatten(0, 1))

    made = make_fx(recorded, sums.decompositions(), tracing_mode="symbolic")(*example)
    path = tmp_path_factory.mktemp("sums") / "sums.onnx"
    any_size = ({0: DIM("sets"), 1: DIM("elements")}, {0: DIM.AUTO}, {0: DIM.AUTO})
    torch.onnx.export(
        made.eval(), example, path, dynamo=True, opset_version=20, verbose=False, dynamic_shapes=any_size,
        custom_translation_table=translations(),
    )  # fmt: skip
    model = onnx.load(path)
    assert losing(model) == []
    (choice,) = [node for node in model.graph.node if node.op_type == "If"]
    ways = [{node.op_type for node in branch.g.node} for branch in choice.attribute]
    assert sorted(("MatMul" in way, "ScatterElements" in way) for way in ways) == [(False, True), (True, False)]
    return path


@pytest.mark.slow
@pytest.mark.parametrize("elements", [1, 8, 9, 40])
@pytest.mark.parametrize("strangers", [False, True], ids=["edges within sets", "an edge to another set"])
def test_onnx_runtime_sums_rows_of_small_sets_and_of_others(written: Path, elements: int, strangers: bool) -> None:
    random = np.random.default_rng(elements)
    sets, edges = 4, 6
    index = random.integers(0, elements, (sets, edges)) + elements * np.arange(sets)[:, None]
    if strangers:
        index[1, 2] = 0
    rows, sent = torch.zeros(sets, elements, 2), torch.as_tensor(random.normal(size=(sets * edges, 2))).float()
    given = (rows, torch.as_tensor(index).flatten(), sent)
    opened = onnxruntime.InferenceSession(written)
    names = [value.name for value in opened.get_inputs()]
    (found,) = opened.run(None, {name: value.numpy() for name, value in zip(names, given, strict=True)})
    np.testing.assert_allclose(found, Sent()(*given).numpy(), rtol=1e-6, atol=1e-6)
