"""Maps with eight bits: which they are, what they multiply with, and that PyTorch has the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from fair_hep.bundle.session import compute, session
from fair_hep.export.parity import difference, forward
from fair_hep.tracing.absorbed import absorbed, matrices
from fair_hep.tracing.graph import Published, export_graph
from fair_hep.tracing.quantised import LinearMap, dequantised, linear_maps, quantise
from support.recipes import model as model_named

MODEL = model_named("particlenet")


class Made(NamedTuple):
    """A network and its graph in float32, and what they became."""

    before: nn.Module
    network: nn.Module
    graph: onnx.ModelProto
    maps: list[LinearMap]
    weights: dict[str, np.ndarray]
    batch: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    path = tmp_path_factory.mktemp("graph") / "plain.onnx"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MODEL.build(preset="lite").eval()
    batch = MODEL.example(24, 0)
    inputs = {"particles": batch["particles"][:2]}
    before = absorbed(network, inputs)
    export_graph(MODEL, before, batch, path, opset=20, metadata={})
    plain, arrays = onnx.load(path), {"particles": batch["particles"].numpy()}
    maps = linear_maps(plain, before, inputs)
    graph, weights = quantise(plain, [arrays], [one for one in maps if not one.searched])
    after = absorbed(before, inputs)
    dequantised(after, inputs, plain, [one for one in maps if not one.searched], weights)
    return Made(before, after, graph, maps, weights, arrays)


@pytest.mark.slow
def test_what_a_search_for_neighbours_reads_stays(made: Made) -> None:
    searched = [one.layer for one in made.maps if one.searched]
    free = [one.layer for one in made.maps if not one.searched]
    assert len(searched) == 5 and all(name.startswith("body.blocks.0.") for name in searched)
    assert len(free) == 7 and {name.split(".")[1] for name in free} == {"blocks", "hidden", "classify"}
    counted = [node.op_type for node in made.graph.graph.node]
    # The product of coordinates, and the sum over neighbours, are no maps.
    assert counted.count("DequantizeLinear") > len(free)
    assert (
        sum(one.data_type == onnx.TensorProto.INT8 for one in made.graph.graph.initializer if len(one.dims) == 2) == 7
    )


@pytest.mark.slow
def test_pytorch_has_the_weights_that_integers_stand_for(made: Made) -> None:
    inputs = {"particles": torch.from_numpy(made.batch["particles"][:2])}
    now = [factor.numpy() for factors in matrices(made.network, inputs).values() for factor in factors]
    was = [factor.numpy() for factors in matrices(made.before, inputs).values() for factor in factors]
    changed = [(old, new) for old, new in zip(was, now, strict=True) if not np.array_equal(old, new)]
    assert len(changed) == len(made.weights) == 7
    for old, new in changed:
        step = np.abs(old).max(1, keepdims=True) / 64
        assert np.abs(new - old).max() <= 0.51 * step.max()
        np.testing.assert_allclose(new / step, np.round(new / step), atol=2e-3)


@pytest.mark.slow
def test_answers_are_near_and_neighbours_the_same(made: Made, tmp_path: Path) -> None:
    onnx.save_model(made.graph, tmp_path / "int8.onnx")
    found = compute(session(tmp_path / "int8.onnx", threads=1), ["logits"], made.batch)["logits"]
    ours = forward(Published(MODEL, made.network).eval(), made.batch)[0][0]
    apart = difference(found, ours, [len(ours)])
    assert 1e-5 < np.median(apart) < 0.02
