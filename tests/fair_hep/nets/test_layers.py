"""Layers of graph networks against exact, explicit computations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fair_hep.nets import layers
from fair_hep.nets.layers import EdgeConv, EdgeLinear, MaskedBatchNorm, Neighbours, Rows, nearest, nearest_set_by_set


def _sets(dimensions: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(20) < torch.tensor([20, 9, 3, 1, 0])[:, None]
    return torch.randn((5, 20, dimensions), generator=generator, dtype=dtype), mask


@pytest.mark.parametrize("dimensions", [2, 3, 8, 64])
@pytest.mark.parametrize("k", [1, 4, 16, 25])
def test_nearest_agrees_with_an_exact_search(dimensions: int, k: int) -> None:
    points, mask = _sets(dimensions)
    index, valid = nearest(points, mask, k)
    assert index.shape == valid.shape == (5, 20, k)
    for number in range(5):
        count = int(mask[number].sum())
        assert not valid[number, count:].any()
        for i in range(count):
            distance = (points[number, :count] - points[number, i]).norm(dim=1)
            distance[i] = torch.inf
            expected = set(distance.argsort()[: min(k, count - 1)].tolist())
            assert set(index[number, i][valid[number, i]].tolist()) == expected


@pytest.mark.parametrize("k", [1, 4, 25])
def test_set_by_set_finds_the_same(k: int) -> None:
    points, mask = _sets(3)
    mask = mask.flip(1)  # real elements need not come first
    index, valid = nearest(points, mask, k)
    other, exists = nearest_set_by_set(points, mask, k)
    assert exists.equal(valid)
    assert other.sort(2).values.equal(index.sort(2).values)


def test_large_sets_are_searched_one_by_one_only_while_training(monkeypatch: pytest.MonkeyPatch) -> None:
    points, mask = _sets(3)
    graph = Neighbours(4)
    expected = graph.train()(points, mask)
    monkeypatch.setattr(layers, "LARGE", 20)
    monkeypatch.setattr(layers, "nearest", lambda *_: pytest.fail("searched all at once"))
    with pytest.raises(pytest.fail.Exception, match="all at once"):
        graph.eval()(points, mask)
    monkeypatch.undo()
    monkeypatch.setattr(layers, "LARGE", 20)
    for found, wanted in zip(graph.train()(points, mask), expected, strict=True):
        assert found.equal(wanted)


def test_nearest_never_returns_itself_or_padding_even_among_equal_points() -> None:
    points = torch.zeros(2, 6, 4)
    mask = torch.arange(6) < torch.tensor([6, 4])[:, None]
    index, valid = nearest(points, mask, 3)
    own = torch.arange(6)[None, :, None].expand_as(index)
    assert not (index == own)[valid].any()
    assert mask.gather(1, index.flatten(1)).reshape(index.shape)[valid].all()


def test_missing_neighbours_point_at_the_element_itself() -> None:
    points, mask = _sets(2)
    index, valid = nearest(points, mask, 16)
    own = torch.arange(20)[None, :, None].expand_as(index)
    assert index[~valid].equal(own[~valid])


@pytest.mark.parametrize("packed", [False, True])
def test_rows_keep_values_and_average_over_real_elements(packed: bool) -> None:
    values, mask = _sets(3)
    rows = Rows(mask, packed=packed)
    there = rows.pack(values)
    assert len(there) == (int(mask.sum()) if packed else mask.numel())
    assert rows.dense(there)[mask].equal(values[mask])
    expected = torch.stack([v[m].mean(0) if m.any() else torch.zeros(3) for v, m in zip(values, mask, strict=True)])
    torch.testing.assert_close(rows.mean(there), expected.to(values.dtype))


def test_rows_find_the_same_neighbours_packed_or_not() -> None:
    values, mask = _sets(3)
    index, valid = nearest(values, mask, 4)
    results = []
    for packed in (False, True):
        rows = Rows(mask, packed=packed)
        gathered = rows.pack(values)[rows.neighbours(index)] * rows.pack(valid)[..., None]
        results.append(gathered[rows.mask])
    assert results[0].equal(results[1])


def test_batch_norm_ignores_what_is_masked() -> None:
    values, mask = _sets(3)
    ours, theirs = MaskedBatchNorm(3).double(), nn.BatchNorm1d(3).double()
    found, expected = ours(values, mask), theirs(values[mask])
    torch.testing.assert_close(found[mask], expected)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(values, mask)[mask], theirs.eval()(values[mask]))


def test_edge_linear_is_a_linear_map_of_the_edge() -> None:
    values, mask = _sets(3)
    index, _ = nearest(values, mask, 4)
    rows = Rows(mask, packed=False)
    x, neighbours = rows.pack(values), rows.neighbours(index)
    layer = EdgeLinear(3, 7, bias=True).double()
    own = x[:, None].expand(-1, 4, -1)
    edge = torch.cat([own, x[neighbours] - own], -1)
    torch.testing.assert_close(layer(x, neighbours), nn.functional.linear(edge, layer.weight, layer.bias))


def _explicit_edge_conv(block: EdgeConv, x: Tensor, neighbours: list[list[int]]) -> Tensor:
    """Compute an edge convolution element by element, edge by edge."""
    norms: list[Any] = [*block.norms]
    linears: list[Any] = [None, *block.linears]
    results = []
    for i, others in enumerate(neighbours):
        mean = torch.zeros(block.shortcut.out_features, dtype=x.dtype)
        for j in others:
            values = block.edge.weight @ torch.cat([x[i], x[j] - x[i]])
            for linear, norm in zip(linears, norms, strict=True):
                values = values if linear is None else linear.weight @ values
                values = (values - norm.running_mean) / torch.sqrt(norm.running_var + norm.eps)
                values = torch.relu(values * norm.weight + norm.bias)
            mean = mean + values / len(others)
        skip = block.shortcut.weight @ x[i]
        last: Any = block.shortcut_norm
        skip = (skip - last.running_mean) / torch.sqrt(last.running_var + last.eps) * last.weight + last.bias
        results.append(torch.relu(mean + skip))
    return torch.stack(results)


@pytest.mark.parametrize("count", [1, 2, 4, 12])
def test_edge_conv_agrees_with_explicit_sums(count: int) -> None:
    torch.manual_seed(3)
    block = EdgeConv(3, (5, 6, 4)).double().eval()
    for norm in [*block.norms, block.shortcut_norm]:
        nn.init.normal_(norm.weight, 1.0, 0.3)
        nn.init.normal_(norm.bias, 0.0, 0.3)
        nn.init.normal_(norm.running_mean, 0.0, 0.3)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
    x = torch.randn(1, count, 3, dtype=torch.float64)
    mask = torch.ones(1, count, dtype=torch.bool)
    index, valid = nearest(x, mask, 4)
    found = block(x[0], mask[0], index[0], valid[0])
    lists = [index[0, i][valid[0, i]].tolist() for i in range(count)]
    assert len(lists[0]) == min(4, count - 1)
    torch.testing.assert_close(found, _explicit_edge_conv(block, x[0], lists))


def test_an_element_without_neighbours_keeps_its_shortcut() -> None:
    block = EdgeConv(3, (5, 4)).double().eval()
    x = torch.randn(1, 3, dtype=torch.float64)
    found = block(x, torch.ones(1, dtype=torch.bool), torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, 2) > 0)
    expected = torch.relu(block.shortcut_norm(block.shortcut(x), torch.ones(1, dtype=torch.bool)))
    assert found.equal(expected)
