"""Padded sets as graphs: the same numbers and relevances as PyG gives alone, for any of its layers, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.explain import Explainer
from torch_geometric.nn import BatchNorm, GATv2Conv, GCNConv, GINConv, SAGEConv, global_add_pool, global_mean_pool

from fair_hep.bundle.errors import ModelError
from fair_hep.lrp import explain
from fair_hep.lrp.edges import edge_sums
from fair_hep.lrp.pyg import LRP
from fair_hep.nets.graphs import GraphBody, all_graphs, real_graphs

NEIGHBOURS = 3
#: Elements of every set: fewer than neighbours, just as many, more; the longest leaves room for padding.
COUNTS = (1, 2, 4, 9, 6)


class Plain(nn.Module):
    """A network that knows nothing of this project."""

    def __init__(self, first: nn.Module, second: nn.Module, pool: Callable[..., Tensor] = global_mean_pool) -> None:
        super().__init__()
        self.first, self.second, self.pool = first, second, pool
        self.norm, self.one, self.two = BatchNorm(8), nn.ReLU(), nn.ReLU()
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None, graphs: int | None = None) -> Tensor:
        x = self.one(self.norm(self.first(x, edge_index)))
        x = self.two(self.second(x, edge_index))
        logits: Tensor = self.head(self.pool(x, batch, graphs))
        return logits


def mlp(inputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, 8))


NETWORKS: dict[str, Callable[[], Plain]] = {
    "GATv2": lambda: Plain(
        GATv2Conv(4, 4, heads=2, add_self_loops=False), GATv2Conv(8, 8, add_self_loops=False, residual=True)
    ),
    "GIN": lambda: Plain(GINConv(mlp(4)), GINConv(mlp(8)), global_add_pool),
    "SAGE": lambda: Plain(SAGEConv(4, 8, aggr="max"), SAGEConv(8, 8, aggr="mean")),
    "GCN": lambda: Plain(GCNConv(4, 8, add_self_loops=False), GCNConv(8, 8, add_self_loops=False)),
}


def sets(counts: tuple[int, ...] = COUNTS, padding: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    mask = torch.arange(max(counts) + padding) < torch.tensor(counts)[:, None]
    features = torch.randn(*mask.shape, 4, generator=generator, dtype=torch.float64) * mask[..., None]
    return features, features[..., :2], mask


def body(name: str) -> GraphBody:
    torch.manual_seed(1)
    made = GraphBody(NETWORKS[name](), NEIGHBOURS).double().eval()
    for parameter in made.parameters():
        # PyG starts biases at zero; a test must see them.
        parameter.data.add_(0.1 * torch.randn(parameter.shape, dtype=torch.float64))
    return made


def graphs(made: GraphBody, features: Tensor, points: Tensor, mask: Tensor) -> list[Data]:
    """Find every set's graph by itself, without padding, in plain Python."""
    found = []
    for rows, places, real in zip(features, points, mask, strict=True):
        x, place = rows[real], places[real]
        distance = torch.cdist(place, place).fill_diagonal_(torch.inf)
        near = distance.argsort(1)[:, : min(NEIGHBOURS, len(x) - 1)]
        edges = [(int(j), i) for i, row in enumerate(near) for j in [*row, i]]
        found.append(Data(x=x, edge_index=torch.tensor(edges).T))
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_padded_sets_give_what_pyg_gives_alone(name: str) -> None:
    made, (features, points, mask) = body(name), sets()
    batch: Any = Batch.from_data_list(graphs(made, features, points, mask))
    for mode in (made.eval, made.train):
        mode()
        with torch.no_grad():
            wanted = made.network(batch.x, batch.edge_index, batch.batch, len(COUNTS))
            found = made(features, points, mask)
        assert float((found - wanted).abs().max()) < 1e-12 * float(wanted.abs().max())


@pytest.mark.parametrize("name", NETWORKS)
def test_while_training_statistics_are_those_of_real_nodes(name: str) -> None:
    first, second, (features, points, mask) = body(name).train(), body(name).train(), sets()
    batch: Any = Batch.from_data_list(graphs(first, features, points, mask))
    first(features, points, mask)
    second.network(batch.x, batch.edge_index, batch.batch, len(COUNTS))
    for ours, theirs in zip(first.buffers(), second.buffers(), strict=True):
        assert torch.allclose(ours.double(), theirs.double(), atol=1e-12)


def test_an_empty_set_has_a_finite_answer_that_no_other_set_changes() -> None:
    made = body("GATv2")
    features, points, mask = sets((0, 5, 7))
    alone = made(features[:1], points[:1], mask[:1])
    assert bool(alone.isfinite().all())
    assert torch.allclose(made(features, points, mask)[:1], alone, atol=1e-13)


def test_nodes_and_edges_of_sets_are_those_of_a_batch_of_pyg() -> None:
    made, (features, points, mask) = body("GIN"), sets()
    batch: Any = Batch.from_data_list(graphs(made, features, points, mask))
    index, valid = made.graph(points, mask)
    x, edge_index, owner = real_graphs(features, index, valid, mask)
    assert x.equal(batch.x)
    assert owner.equal(batch.batch)
    assert {tuple(edge) for edge in edge_index.T.tolist()} == {tuple(edge) for edge in batch.edge_index.T.tolist()}
    # With all elements, no edge leads from a real one to anything else, nor back.
    x, edge_index, owner = all_graphs(features, index, valid, mask)
    assert len(x) == mask.shape[0] * (mask.shape[1] + 1)
    assert owner[edge_index[0]].equal(owner[edge_index[1]])
    assert edge_index.shape[1] == mask.numel() * (NEIGHBOURS + 1)


def test_a_layer_that_adds_loops_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match=r"layer 'second' \(GATv2Conv\) adds loops.*add_self_loops=False"):
        GraphBody(Plain(GATv2Conv(4, 8, add_self_loops=False), GATv2Conv(8, 8)), NEIGHBOURS)


@pytest.mark.parametrize("composite", ["epsilon", "epsilon-plus"])
@pytest.mark.parametrize("name", NETWORKS)
def test_nodes_and_edges_have_the_relevance_that_pygs_explainer_gives(name: str, composite: str) -> None:
    made, (features, points, mask) = body(name), sets((2, 5, 9), padding=1)
    found = explain(
        made, (features, points, mask), [0.0, 1.0], composite=composite, places=dict.fromkeys(made.edges(), edge_sums)
    )
    assert float(found.error.max()) < 1e-10
    assert not found.relevance[~mask].any()
    signed = sum(sums[1] for sums in found.places.values()).reshape(*mask.shape, NEIGHBOURS + 1)
    index, valid = made.graph(points, mask)
    explainer = Explainer(
        made.network,
        LRP(composite),
        explanation_type="phenomenon",
        node_mask_type="attributes",
        edge_mask_type="object",
        model_config={"mode": "multiclass_classification", "task_level": "graph", "return_type": "raw"},
    )
    for number, data in enumerate(graphs(made, features, points, mask)):
        theirs = explainer(data.x, data.edge_index, target=torch.tensor([1]))
        scale = float(theirs.node_mask.abs().max())
        real = mask[number]
        assert float((found.relevance[number, real] - theirs.node_mask).abs().max()) < 1e-12 * scale
        edges = dict(zip(map(tuple, data.edge_index.T.tolist()), theirs.edge_mask.tolist(), strict=True))
        ours = {
            (int(index[number, here, slot]), here): float(signed[number, here, slot])
            for here, slot in valid[number].nonzero().tolist()
        }
        assert ours.keys() == edges.keys()
        assert max(abs(ours[edge] - edges[edge]) for edge in edges) < 1e-12 * scale
        assert max(map(abs, ours.values())) > 1e-3 * scale
