"""A graph made simpler computes the same, with fewer nodes, as fast as what the exporter itself makes of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from fair_hep.tracing.graph import quiet
from fair_hep.tracing.simplified import simplify


class Roundabout(nn.Module):
    """Says several things twice."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(3, 4)

    def forward(self, values: Tensor) -> Tensor:
        steps = torch.arange(3.0).square() + 1.0
        turned = (values * steps).transpose(1, 2).transpose(1, 2).unsqueeze(0).unsqueeze(0).squeeze(0).squeeze(0)
        mapped = self.map(turned.reshape(-1, 3)).reshape(values.shape[0], -1, 4)
        again = self.map(turned.reshape(-1, 3)).reshape(values.shape[0], -1, 4)
        return (mapped.double().float() + again) * 1.0 + 0.0


def exported(*, optimize: bool) -> Any:
    torch.manual_seed(0)
    free = {0: torch.export.Dim("sets", min=1), 1: torch.export.Dim("elements", min=1)}
    with quiet():
        program = torch.onnx.export(
            Roundabout(), (torch.ones(2, 5, 3),), dynamo=True, optimize=optimize, dynamic_shapes=(free,), verbose=False
        )
    assert program is not None
    return program


def operators(proto: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in proto.graph.node)


@pytest.fixture(scope="module")
def pair() -> tuple[onnx.ModelProto, onnx.ModelProto]:
    program = exported(optimize=False)
    before = program.model_proto
    simplify(program.model)
    return before, program.model_proto


def test_it_computes_the_same_for_sets_of_any_size(pair: tuple[onnx.ModelProto, onnx.ModelProto]) -> None:
    from onnxruntime import InferenceSession

    sessions = [InferenceSession(proto.SerializeToString()) for proto in pair]
    name = sessions[0].get_inputs()[0].name
    for shape in ((1, 1, 3), (2, 5, 3), (4, 7, 3)):
        values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        found = [session.run(None, {name: values})[0] for session in sessions]
        assert found[1].shape == (*shape[:2], 4)
        np.testing.assert_allclose(found[1], found[0], rtol=1e-6, atol=1e-6)


def test_what_is_said_twice_is_said_once(pair: tuple[onnx.ModelProto, onnx.ModelProto]) -> None:
    before, after = map(operators, pair)
    assert before["MatMul"] + before["Gemm"] == 2
    assert after["MatMul"] + after["Gemm"] == 1
    assert not {"Constant", "Range", "Transpose"} & after.keys()
    assert after.total() < before.total() / 2


def test_nothing_is_left_that_the_exporter_would_drop(pair: tuple[onnx.ModelProto, onnx.ModelProto]) -> None:
    theirs = operators(exported(optimize=True).model_proto)
    assert operators(pair[1]) - theirs == Counter()
