"""Where relevance is: networks that were made to hear some features, neighbours and elements only."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fair_hep.bundle.errors import ExplainError
from fair_hep.lrp.edges import graphs_found
from fair_hep.models.building import Pruned, smaller
from fair_hep.models.explaining import rules_of
from fair_hep.provenance.configuration import ExplainConfig
from fair_hep.pruning.fewer import Fewer
from fair_hep.pruning.needed import balanced, graphs_of, of_elements, relevant
from fair_hep.study.runtimes import Engine
from support import recipes
from support.planted import FEATURES, NEAREST, planted

GRAPHS = [
    ("particlenet", {"preset": "lite"}, {f"graphs.{n}": (7, (f"blocks.{n}.messages",), None) for n in range(2)}),
    (
        "mlpf", {"preset": "compact"},
        {f"convolutions.{n}.graph": (7, (f"convolutions.{n}.messages",), 0) for n in range(2)},
    ),
    (
        "graph", {},
        {"graph.nearest": (8, tuple(f"network.layers.{n}.aggr_module.messages" for n in range(2)), -1)},
    ),
    ("custom", {}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "hyperparameters", "expected"), GRAPHS)
def test_graphs_are_found_with_their_messages(
    name: str, hyperparameters: dict[str, Any], expected: dict[str, Any]
) -> None:
    model = recipes.model(name)
    torch.manual_seed(1)
    network = model.build(**hyperparameters).eval()
    graphs = graphs_of(model, network)
    assert {graph.name: (graph.k, graph.places, graph.own) for graph in graphs} == expected
    found = relevant(model, network, [model.example(3, 0)], rules_of(model, ExplainConfig()), graphs)
    for graph in graphs:
        for sums in found.slots[graph.name].values():
            others, own = graph.by_rank(sums)
            assert len(others) == graph.k
            assert (own is None) == (graph.own is None)


def test_relevance_is_where_it_was_planted() -> None:
    model, network, batch = planted(64)
    graphs = graphs_of(model, network)
    found = relevant(model, network, [batch], rules_of(model, ExplainConfig()), graphs)
    share = balanced(found.features)
    assert share[FEATURES:].tolist() == [0.0] * (len(model.features.columns) - FEATURES)
    assert bool((share[:FEATURES] > 0).all())
    assert float(share.sum()) == pytest.approx(1)
    ranks = balanced(found.slots["graph"])
    assert ranks[NEAREST:].tolist() == [0.0] * (graphs[0].k - NEAREST)
    assert bool((ranks[:NEAREST] > 0).all())


def test_everything_that_is_explained_counts_the_same() -> None:
    sums = {"QCD": torch.tensor([1.0, 3.0]), "top": torch.tensor([900.0, 100.0]), "never": torch.zeros(2)}
    assert balanced(sums).tolist() == pytest.approx([(0.25 + 0.9) / 2, (0.75 + 0.1) / 2])
    with pytest.raises(ExplainError, match="what is explained is constant") as error:
        balanced({"never": torch.zeros(2)})
    assert "\n" not in str(error.value)


def test_elements_that_nobody_hears_have_no_relevance() -> None:
    model, network, batch = planted(64, elements=4)
    real = (batch["particles"] != 0).any(-1)
    even, odd = torch.arange(0, 64, 2), torch.arange(1, 64, 2)
    parts = [(rows, {name: values[rows] for name, values in batch.items()}) for rows in (odd, even)]
    share = of_elements(model, network, parts, rules_of(model, ExplainConfig()), (real.shape[0], real.shape[1]))
    assert share[:, 4:].abs().max() == 0
    assert share.sum(1).tolist() == pytest.approx([1.0] * 64)


def test_the_messages_of_a_smaller_graph_are_those_of_its_neighbours() -> None:
    """A layer of PyG counts its edges by what the graph finds now, not by what it found when it was built."""
    model = recipes.model("graph")
    torch.manual_seed(1)
    network = smaller(model, model.build(), Pruned(neighbours={"graph.nearest": 3})).eval()
    batch = model.example(3, 0)
    values = network.get_submodule("features")(batch["particles"])
    with Engine(model, network, rules_of(model, ExplainConfig())) as engine:
        found = engine(values, [-1.0, 1.0])
    with torch.no_grad(), graphs_found(network.get_submodule("body"), model.edges(network)) as graphs:
        network.get_submodule("body")(*values)
    for (graph, total, _), expected in zip(found.edges, graphs.values(), strict=True):
        assert torch.equal(graph, expected)
        assert graph.shape[2] == 4
        assert bool((total[graph < 0] == 0).all())


def test_the_chosen_elements_stay_in_order() -> None:
    model = recipes.model("custom")
    particles = torch.arange(1.0, 25.0).reshape(2, 3, 4)
    particles[1, 2] = 0

    class Two:
        def __getitems__(self, indices: list[int]) -> dict[str, torch.Tensor]:
            return {"particles": particles[indices], "label": torch.tensor([5, 6])[indices]}

        def __len__(self) -> int:
            return 2

    first = Fewer(Two(), model, 2)
    assert torch.equal(first.__getitems__([1, 0])["particles"], particles[[1, 0], :2])
    assert first.__getitems__([1, 0])["label"].tolist() == [6, 5]
    ranked = Fewer(Two(), model, 1, torch.tensor([[2, 1, 0], [1, 0, 2]]))
    assert torch.equal(ranked.__getitems__([0, 1])["particles"], torch.stack([particles[0, 2:], particles[1, 1:2]]))
    few = Fewer(Two(), model, 2, torch.tensor([[2, 1, 0], [1, 0, 2]]))
    assert torch.equal(few.__getitems__([0])["particles"], particles[:1, 1:])
    assert len(few) == 2
