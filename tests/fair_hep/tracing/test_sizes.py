"""A graph holds for sets of every size, or it isn't written: what happens beyond the sizes of parity is read off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from fair_hep.bundle import TensorSpec
from fair_hep.bundle.errors import ModelError
from fair_hep.tracing.graph import write_graph
from fair_hep.tracing.sizes import hold_program, hold_recorded

INPUT = TensorSpec(
    name="hits",
    axes=("events", "hits", "column"),
    dynamic=("events", "hits"),
    sizes={"column": 4},
    dtype="float32",
    meaning="hits",
)
OUTPUT = TensorSpec(
    name="score", axes=("events", "class"), dynamic=("events",), sizes={"class": 4}, dtype="float32", meaning="score"
)
EXAMPLE = torch.ones(29, 61, 4)
Body = Callable[[Tensor], Tensor]


def large_ones_otherwise(hits: Tensor) -> Tensor:
    return hits.sum(1) / 2 if hits.shape[1] > 500 else hits.sum(1)


def small_ones_otherwise(hits: Tensor) -> Tensor:
    return hits.sum(1) / 2 if hits.shape[1] < 20 else hits.sum(1)


def one_size(hits: Tensor) -> Tensor:
    return hits.sum(1) / int(hits.shape[1])


GOOD: dict[str, Body] = {
    "sum": lambda hits: hits.sum(1),
    "mean": lambda hits: hits.sum(1) / hits.shape[1],
    "pairs": lambda hits: (hits[:, :, None] - hits[:, None]).abs().sum((1, 2)),
    "nearest of all": lambda hits: torch.cat([hits, hits], 1).topk(2, 1).values.sum(1),
}
RECORDED = {
    "first 50": (
        lambda hits: hits[:, :50].sum(1),
        r"takes hits >= 50 for granted, which isn't so for 2 events, 2 hits",
    ),
    "first 256": (lambda hits: hits[:, :256].sum(1), r"takes hits < 256 for granted, .* 2 events, 1000 hits"),
    "large": (large_ones_otherwise, r"takes hits <= 500 for granted, .* 1000 hits"),
    "one size": (one_size, "the number of hits is fixed at 61 on the way"),
}
PROGRAMS = {
    "large": (large_ones_otherwise, "holds for 0 to 500 hits only"),
    "small": (small_ones_otherwise, "holds for 20 or more hits only"),
    "one size": (one_size, "the number of hits is fixed at 61 on the way"),
}


class Network(nn.Module):
    """A function as a network."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self.body = body

    def forward(self, hits: Tensor) -> Tensor:
        """Do what the function does."""
        return self.body(hits)


@pytest.mark.parametrize("name", GOOD)
def test_what_holds_for_every_size_passes(name: str) -> None:
    hold_recorded(make_fx(GOOD[name], tracing_mode="symbolic")(EXAMPLE), [INPUT], "explained")
    axes = {0: torch.export.Dim("events", min=1), 1: torch.export.Dim("hits", min=1)}
    program = torch.export.export(Network(GOOD[name]), (EXAMPLE,), dynamic_shapes=(axes,))
    hold_program(program, [INPUT], "plain")


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_graph_that_holds_for_some_sizes_is_refused(name: str) -> None:
    body, words = RECORDED[name]
    graph = make_fx(body, tracing_mode="symbolic")(EXAMPLE)
    with pytest.raises(ModelError, match=f"^explained: {words}.*: write the network so that") as caught:
        hold_recorded(graph, [INPUT], "explained")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_an_exported_graph_that_holds_for_some_sizes_is_never_written(name: str, tmp_path: Path) -> None:
    body, words = PROGRAMS[name]
    path = tmp_path / "plain.onnx"
    with pytest.raises(ModelError, match=f"^plain.onnx: {words}: write the network so that"):
        write_graph(Network(body), (EXAMPLE,), ([INPUT], [OUTPUT]), path, opset=20, metadata={})
    assert not path.exists()
