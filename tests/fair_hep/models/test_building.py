"""Networks that are smaller than their recipe builds them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fair_hep.bundle.errors import ConfigError
from fair_hep.models.building import build, of_recipe, widths_of
from support import recipes

MODEL = recipes.model("particlenet")
LITE = {"preset": "lite"}
PRUNED: dict[str, Any] = {
    "widths": {
        "blocks.0.linears.0": [32, 9], "blocks.0.norms.1": [9, 9], "blocks.0.linears.1": [9, 32],
    },
    "neighbours": {"graphs.1": 3},
    "features": ["delta_eta", "delta_phi", "log_pt"],
}  # fmt: skip


def test_nothing_pruned_is_the_network_of_the_recipe() -> None:
    torch.manual_seed(3)
    ours = build(MODEL, LITE)
    torch.manual_seed(3)
    theirs = MODEL.build(**LITE)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)
    assert of_recipe({**LITE, "pruned": PRUNED}) == LITE


def test_everything_that_was_pruned_is_smaller() -> None:
    network = build(MODEL, {**LITE, "pruned": PRUNED}).eval()
    batch = MODEL.example(3, 0)
    features, *_ = network.get_submodule("features")(batch["particles"])
    names = MODEL.features.columns
    for column, name in enumerate(names):
        assert bool(features[..., column].any()) == (name in PRUNED["features"]), name
    found: list[torch.Size] = []
    network.get_submodule("body.blocks.1.edge").register_forward_hook(lambda *call: found.append(call[2].shape))
    assert network(batch["particles"]).shape == (3, 2)
    assert found[0][1] == 3
    assert widths_of(network, build(MODEL, LITE)) == {key: tuple(value) for key, value in PRUNED["widths"].items()}


@pytest.mark.parametrize(
    ("pruned", "words"),
    [
        ({"widths": {"blocks.7.edge": [1, 1]}}, "model.pruned.widths: the network has no layer 'blocks.7.edge'"),
        ({"widths": {"blocks.0.edge": [7, 33]}}, r"widths.blocks.0.edge: .*got \[7, 33\] channels, expected 1 to"),
        ({"widths": {"dropout": [7, 33]}}, "widths.dropout: Dropout: where it has its channels isn't known"),
        ({"neighbours": {"graphs.0": 8}}, "neighbours.graphs.0: got 8, expected 1 to 7"),
        ({"neighbours": {"hidden": 3}}, "hidden: got Linear; those that find neighbours are: graphs.0, graphs.1"),
        ({"features": ["charge"]}, "model.pruned.features: got charge, expected some of delta_eta"),
        ({"features": []}, "model.pruned.features: got none"),
        ({"layers": 3}, "model.pruned"),
    ],
)
def test_what_the_network_has_not_got_is_one_line(pruned: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        build(MODEL, {**LITE, "pruned": pruned})
    assert "\n" not in str(error.value)
