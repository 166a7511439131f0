"""GravNet against torch_geometric's layer, an explicit formula, and everything that must not matter."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from fair_hep.lrp import explain
from fair_hep.nets import layers
from fair_hep.nets.gravnet import GravNet
from fair_hep.nets.layers import Rows, nearest
from support.needs import require

SIZES = (40, 9, 5, 1, 0)


def _layer(k: int = 6, *, inputs: int = 7, outputs: int = 5) -> GravNet:
    torch.manual_seed(0)
    return GravNet(inputs, outputs, space=4, propagate=8, k=k).double().eval()


def _events(inputs: int = 7) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(max(SIZES)) < torch.tensor(SIZES)[:, None]
    values = torch.randn((len(SIZES), max(SIZES), inputs), generator=generator, dtype=torch.float64)
    return torch.where(mask[..., None], values, 0.0), mask


def _by_formula(layer: GravNet, values: Tensor, k: int) -> Tensor:
    """The published sum, element by element."""
    assert layer.space is not None
    places, sent = layer.space(values), layer.propagate(values)
    rows = []
    for place in places:
        squared = (places - place).square().sum(1)
        chosen = squared.argsort(stable=True)[:k]
        total = sum(torch.exp(-10.0 * squared[j]) * sent[j] for j in chosen)
        rows.append(layer.combine(total))
    return torch.stack(rows)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("k", [2, 6, 16, 50])
def test_layer_agrees_with_the_formula(k: int, packed: bool) -> None:
    layer = _layer(k)
    values, mask = _events()
    rows = Rows(mask, packed=packed)
    found = rows.dense(layer(rows.pack(values), rows))
    for event, size in enumerate(SIZES):
        if size:
            torch.testing.assert_close(
                found[event, :size], _by_formula(layer, values[event, :size], k), rtol=0, atol=1e-12
            )


def test_layer_agrees_with_torch_geometric_up_to_the_documented_differences(pyg_knn: None) -> None:
    from torch_geometric.nn import GravNetConv

    k = 6
    ours = _layer(k)
    theirs = GravNetConv(7, 5, space_dimensions=4, propagate_dimensions=8, k=k).double().eval()
    assert ours.space is not None
    with torch.no_grad():
        theirs.lin_s.load_state_dict(ours.space.state_dict())
        theirs.lin_h.load_state_dict(ours.propagate.state_dict())
        # The sum over k elements is k times their mean; neither maximum nor shortcut.
        theirs.lin_out1.weight.zero_()
        theirs.lin_out2.weight.copy_(torch.cat([k * ours.combine.weight, torch.zeros(5, 8)], 1))
        theirs.lin_out2.bias.copy_(ours.combine.bias)
    values, mask = _events()
    values, mask = values[:2], mask[:2]
    rows = Rows(mask, packed=True)
    event = torch.arange(2).repeat_interleave(torch.tensor(SIZES[:2]))
    torch.testing.assert_close(ours(rows.pack(values), rows), theirs(values[mask], event), rtol=0, atol=1e-12)


@pytest.fixture
def pyg_knn(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give torch_geometric an exact nearest-neighbour search: its own extension has no wheel."""
    require(importlib.util.find_spec("torch_geometric"), "torch_geometric is not installed")
    import torch_geometric

    def knn(x: Tensor, y: Tensor, ptr_x: Tensor, _: Tensor, k: int, *more: object) -> Tensor:
        pairs = []
        for start, stop in zip(ptr_x[:-1].tolist(), ptr_x[1:].tolist(), strict=True):
            near = torch.cdist(y[start:stop], x[start:stop]).topk(min(k, stop - start), largest=False).indices
            here = torch.arange(start, stop)[:, None].expand_as(near)
            pairs.append(torch.stack([here.flatten(), near.flatten() + start]))
        return torch.cat(pairs, 1)

    library = None
    if not hasattr(torch.ops.pyg, "knn"):
        library = torch.library.Library("pyg", "FRAGMENT")
        library.define(
            "knn(Tensor x, Tensor y, Tensor? ptr_x, Tensor? ptr_y, int k, bool cosine, int workers) -> Tensor"
        )
        library.impl("knn", knn, "CPU")
    monkeypatch.setattr(torch_geometric.typing, "WITH_KNN", True)
    yield
    if library is not None:
        library._destroy()


def test_an_element_comes_first_in_its_own_neighbourhood_with_weight_one() -> None:
    layer = _layer()
    values, mask = _events()
    rows = Rows(mask, packed=True)
    assert layer.space is not None
    index, weight = layer.neighbourhood(layer.space(rows.pack(values)), rows)
    assert index[:, 0].equal(torch.arange(len(index)))
    assert (weight[:, 0] == 1).all()
    assert (weight >= 0).all()
    exists = torch.cat([torch.arange(6) < size for size in SIZES for _ in range(size)]).reshape(-1, 6)
    assert (weight[~exists] == 0).all()


def test_equal_elements_count_each() -> None:
    layer = _layer(4)
    values = torch.ones(1, 3, 7, dtype=torch.float64)
    rows = Rows(torch.ones(1, 3, dtype=torch.bool), packed=False)
    expected = layer.combine(3 * layer.propagate(values[0, :1]))
    torch.testing.assert_close(layer(rows.pack(values), rows), expected.expand(3, -1))


def test_gradients_reach_the_learned_space_but_not_the_choice() -> None:
    layer = _layer()
    values, mask = _events()
    rows = Rows(mask, packed=True)
    layer(rows.pack(values), rows).sum().backward()
    for parameter in layer.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_explanation_holds_graph_and_weights_constant_and_its_ledger_closes() -> None:
    class Summed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = _layer()

        def forward(self, values: Tensor, mask: Tensor) -> Tensor:
            rows = Rows(mask, packed=False)
            return (rows.dense(self.layer(rows.pack(values), rows)) * mask[..., None]).sum(1)

    network = Summed().eval()
    values, mask = (part[:3] for part in _events())
    found = explain(network, (values, mask), torch.ones(5, dtype=torch.float64), epsilon=0.0)
    assert float(found.error.max()) < 1e-12
    # The network is linear in what is sent once graph and weights are held: relevance is input times that map.
    layer = network.layer
    rows = Rows(mask, packed=False)
    assert layer.space is not None
    index, weight = layer.neighbourhood(layer.space(rows.pack(values)), rows)
    counts = torch.zeros(len(index), dtype=torch.float64).index_add(
        0, index.flatten(), (weight * rows.mask[:, None]).flatten().detach()
    )
    carried = (layer.combine.weight.sum(0) @ layer.propagate.weight).detach()
    torch.testing.assert_close(found.relevance, rows.dense(rows.pack(values) * counts[:, None] * carried))


@pytest.mark.parametrize("dimensions", [2, 4, 8])
def test_large_sets_are_searched_in_blocks_with_the_same_result(
    dimensions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(2)
    points = torch.randn((2, 300, dimensions), generator=generator, dtype=torch.float64)
    mask = torch.arange(300) < torch.tensor([300, 7])[:, None]
    whole = nearest(points, mask, 12)
    monkeypatch.setattr(layers, "PAIRS", 1000)
    monkeypatch.setattr(layers, "_BLOCK", 4321)
    index, valid = nearest(points, mask, 12)
    assert index.equal(whole[0])
    assert valid.equal(whole[1])


def test_thousands_of_elements_take_memory_that_grows_with_their_number_only() -> None:
    largest = 0

    class Largest(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            result = func(*args, **(kwargs or {}))
            for part in result if isinstance(result, tuple | list) else (result,):
                if isinstance(part, Tensor):
                    largest = max(largest, part.untyped_storage().nbytes())
            return result

    generator = torch.Generator().manual_seed(3)
    values = torch.randn((1, 5000, 7), generator=generator)
    rows = Rows(torch.ones(1, 5000, dtype=torch.bool), packed=False)
    layer = _layer(16).float()
    with torch.no_grad(), Largest():
        layer(rows.pack(values), rows)
    assert largest < 5000 * 5000
