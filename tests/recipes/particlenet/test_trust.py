"""How far ParticleNet's explanations can be trusted: the table, and graphs that are kept frozen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from top_tagger import MODEL

from fair_hep.lrp.composites import bounds
from fair_hep.lrp.edges import frozen_graphs, graphs_found
from fair_hep.lrp.faithfulness import GRADIENT, RANDOM
from fair_hep.study.removal import by_mask
from fair_hep.study.trust import trust


@pytest.fixture(scope="module")
def network() -> Any:
    torch.manual_seed(0)
    return MODEL.build(preset="lite").eval()


def test_a_frozen_graph_without_removals_changes_nothing(network: Any) -> None:
    inputs = network.features(**{name: MODEL.example(6, 0)[name] for name in ("particles", "axis")})
    finders = network.body.edges()
    with graphs_found(network.body, finders) as graphs:
        network.body(*inputs)
    with torch.no_grad(), frozen_graphs(network.body, finders, graphs, inputs[2]):
        frozen = network.body(*inputs)
    assert torch.equal(frozen, network.body(*inputs))
    kept = inputs[2] & (torch.arange(inputs[2].shape[1]) % 2 == 0)
    with torch.no_grad(), frozen_graphs(network.body, finders, graphs, kept):
        halved = network.body(inputs[0], inputs[1], kept)
    assert not torch.allclose(halved, network.body(inputs[0], inputs[1], kept))


def measured(network: Any) -> dict[str, Any]:
    """Measure trust as the study of ``explain.py`` does."""
    asked, target = MODEL.explanation(), MODEL.target()
    inputs = {name: MODEL.example(8, 0)[name] for name in ("particles", "axis")}
    assert asked.removed == "mask"
    score, frozen = by_mask(network, inputs, torch.tensor(target), MODEL.edges(network))
    return trust(
        network,
        inputs,
        target,
        composite="epsilon",
        composites=["lrp-0", "epsilon-plus"],
        bounds=bounds(MODEL.features.ranges),
        steps=3,
        seed=0,
        score=score,
        frozen=frozen,
        parts=asked.stages(network.body),
    )


def test_table_of_trust(network: Any) -> None:
    found = measured(network)
    assert set(found["removal"]) == {"lrp-0", "epsilon-plus", "epsilon", GRADIENT, RANDOM}
    # For a network of ReLUs LRP-0 is gradient x input, so its order and area are the same.
    assert found["removal"]["lrp-0"]["area"] == pytest.approx(found["removal"][GRADIENT]["area"], rel=1e-4)
    assert all(row["frozen_area"] != row["area"] for row in found["removal"].values())
    assert found["agreement"]["epsilon"] == pytest.approx(1.0)
    assert found["recommended"] in ("lrp-0", "epsilon", "epsilon-plus")
    assert [row["down_to"] for row in found["randomised"]] == ["classify", "hidden", "blocks.1", "blocks.0"]
    assert found == measured(network)
