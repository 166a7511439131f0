"""Linear maps of particle flow that multiply integers: which may, and that neighbours stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from fair_hep.export.parity import compare
from fair_hep.export.precision import How, graph_of, some
from fair_hep.tracing.absorbed import absorbed
from fair_hep.tracing.graph import Published, graph_inputs
from fair_hep.tracing.quantised import dequantised, linear_maps, quantise, to_quantise
from support.recipes import model as model_named
from support.small import EXAMPLE

MODEL = model_named("mlpf")


@pytest.mark.slow
def test_all_behind_the_last_search_may_and_neighbours_stay(tmp_path: Path) -> None:
    torch.manual_seed(0)
    batch = MODEL.example(4, 0)
    arrays = {spec.name: np.ascontiguousarray(batch[spec.name].numpy()) for spec in graph_inputs(MODEL)}
    given = some(arrays)
    network = absorbed(MODEL.build(**EXAMPLE.HYPERPARAMETERS).eval(), given)
    plain = graph_of(MODEL, network, How(20, 0, 1.0))
    maps = linear_maps(plain, network, given)
    chosen = [one.layer for one in to_quantise(maps, sets=True)]
    last = max(one.layer.split(".")[2] for one in maps if one.layer.startswith("body.convolutions."))
    heads = [one.layer for one in maps if one.layer.split(".")[1] in ("classify", "regress")]
    assert chosen == [f"body.convolutions.{last}.propagate", f"body.convolutions.{last}.combine", *heads]
    assert any(one.layer == f"body.convolutions.{last}.space" and one.searched for one in maps)
    onnx.save_model(plain, tmp_path / "plain.onnx")
    before = compare(Published(MODEL, network).eval(), tmp_path / "plain.onnx", "examples", arrays)
    graph, weights = quantise(plain, [arrays], to_quantise(maps, sets=True))
    dequantised(network, given, plain, to_quantise(maps, sets=True), weights)
    onnx.save_model(graph, tmp_path / "int8.onnx")
    found = compare(Published(MODEL, network).eval(), tmp_path / "int8.onnx", "examples", arrays)
    assert found.answers > 0 and 1e-5 < found.largest < 0.5
    # As many as in single precision, where sums are rounded in another order than PyTorch's.
    assert found.flipped == before.flipped
