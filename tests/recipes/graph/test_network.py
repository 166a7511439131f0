"""The graph attention tagger: on jets of a store it is what PyG computes and explains with its own tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from graph_tagger import MODEL
from torch_geometric.explain import Explainer
from torch_geometric.loader import DataLoader

from fair_hep.data.store import Store
from fair_hep.lrp import explain
from fair_hep.lrp.edges import edge_sums
from fair_hep.lrp.pyg import LRP
from fair_hep.nets.graph_data import GraphData
from fair_hep.nets.graphs import GraphNetwork
from support import recipes

JETS = 40


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("store") / "val"
    MODEL.convert(list(recipes.sample("graph")["val"]), folder, processes=1)
    return MODEL.dataset(Store(folder))


@pytest.fixture(scope="module")
def network() -> GraphNetwork:
    torch.manual_seed(0)
    made = MODEL.build().double().eval()
    assert isinstance(made, GraphNetwork)
    return made


@torch.no_grad()
def test_jets_of_a_store_go_through_pygs_loader_to_the_same_answers(dataset: Any, network: GraphNetwork) -> None:
    ours = network(dataset.__getitems__(list(range(JETS)))["particles"].double())
    graphs = torch.utils.data.Subset(GraphData(dataset, network, ["particles"]), range(JETS))
    found, labels = [], []
    for batch in DataLoader(graphs, batch_size=16):
        # A graph has its own nodes and nothing else: no padding.
        assert bool((batch.x != 0).any(1).all())
        found.append(network.body.network(batch.x, batch.edge_index, batch.batch, batch.num_graphs))
        labels.append(batch.y)
    assert float((torch.cat(found) - ours).abs().max()) < 1e-12
    assert torch.cat(labels).equal(dataset.__getitems__(list(range(JETS)))["label"])


def test_pygs_explainer_agrees_about_nodes_and_edges(dataset: Any, network: GraphNetwork) -> None:
    graphs = GraphData(dataset, network, ["particles"])
    explainer = Explainer(
        network.body.network,
        LRP(),
        explanation_type="phenomenon",
        node_mask_type="attributes",
        edge_mask_type="object",
        model_config={"mode": "multiclass_classification", "task_level": "graph", "return_type": "raw"},
    )
    places = dict.fromkeys(network.body.edges(), edge_sums)
    for number in range(4):
        data = graphs[number]
        theirs = explainer(data.x, data.edge_index, target=torch.tensor([1]))
        features, points, mask = network.features(dataset.__getitems__([number])["particles"].double())
        ours = explain(network.body, (features, points, mask), [0.0, 1.0], places=places)
        assert float((ours.relevance[0] - theirs.node_mask).abs().max()) < 1e-12 * float(theirs.node_mask.abs().max())
        _, valid = network.body.graph(points, mask)
        edges = sum(sums[1] for sums in ours.places.values()).reshape(valid.shape)[valid]
        assert float((edges - theirs.edge_mask).abs().max()) < 1e-12 * float(theirs.edge_mask.abs().max())


def test_attention_is_held_constant(dataset: Any, network: GraphNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """With attention as numbers, what is left are ReLUs: relevance is gradient times input."""
    features, points, mask = network.features(dataset.__getitems__([0, 1])["particles"].double())
    weights = torch.tensor(MODEL.target(), dtype=torch.float64)

    def gradient_times_input() -> torch.Tensor:
        leaf = features.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad((network.body(leaf, points, mask) @ weights).sum(), leaf)
        return gradient * features

    found = explain(network.body, (features, points, mask), weights, epsilon=0.0).relevance
    free = gradient_times_input()
    layers: Any = network.body.network.layers
    for layer in layers:
        inner = layer.edge_updater
        monkeypatch.setattr(layer, "edge_updater", lambda *a, inner=inner, **options: inner(*a, **options).detach())
    scale = float(found.abs().max())
    assert float((found - gradient_times_input()).abs().max()) < 1e-12 * scale
    assert float((found - free).abs().max()) > 1e-3 * scale
