"""MLPF's graph: whole events of any size, classes and momenta, the same as PyTorch says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from fair_hep import bundle
from fair_hep.bundle.files import read_json
from fair_hep.bundle.runtime import session
from fair_hep.export.faces import load_network
from fair_hep.export.parity import compare
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.tracing.graph import Published
from support.recipes import model as model_named

Bundled = tuple[Project, Config]
MODEL = model_named("mlpf")
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def published(bundled: Bundled) -> Published:
    folder = bundled[0].bundle
    return Published(MODEL, load_network(folder, bundle.read_signature(folder), MODEL)).eval()


@pytest.fixture(scope="module")
def graph(bundled: Bundled) -> Path:
    return bundled[0].bundle / bundle.MODEL


def elements(size: int, longest: int, seed: int = 0) -> dict[str, np.ndarray]:
    from fair_hep.particleflow.synthetic import events

    return {"elements": events(size, seed, longest=longest)["elements"].numpy()}


@pytest.mark.parametrize(("size", "longest"), [(1, 1), (2, 5), (1, 15), (1, 16), (3, 17), (8, 60), (1, 700), (2, 300)])
def test_onnx_runtime_says_what_pytorch_says(published: Published, graph: Path, size: int, longest: int) -> None:
    found = compare(published, graph, "", elements(size, longest, seed=size + longest))
    assert found.largest <= TOLERANCE
    assert found.flipped <= found.answers // 8


def test_padding_counts_for_nothing(graph: Path) -> None:
    arrays = elements(4, 40)
    opened = session(graph)
    plain = opened.run(None, arrays)
    padded = opened.run(None, {"elements": np.pad(arrays["elements"], [(0, 0), (0, 30), (0, 0)])})
    for first, second in zip(plain, padded, strict=True):
        assert np.abs(first - second[:, :40]).max() <= 1e-4
    for values in padded[:2]:
        assert not values[:, 40:].any() or np.allclose(values[:, 40:].sum(-1), 1)


def test_the_graph_has_one_raw_input_free_axes_and_says_what_it_is(graph: Path) -> None:
    proto = onnx.load(graph)
    onnx.checker.check_model(proto, full_check=True)
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*proto.graph.input, *proto.graph.output)
    }
    assert shapes == {
        "elements": ["events", "elements", 12],
        "logits": ["events", "elements", 6],
        "probabilities": ["events", "elements", 6],
        "momenta": ["events", "elements", 6],
    }
    told = {entry.key: entry.value for entry in proto.metadata_props}
    assert (told["data_source"], told["data_license"]) == ("sample", "CC0-1.0")
    assert "dataset_doi" not in told
    assert json.loads(told["classes"])["logits"][1] == "charged_hadron"


def test_stored_examples_are_explained_on_every_element(bundled: Bundled) -> None:
    folder = bundled[0].bundle
    inputs = bundle.read_arrays(folder / "examples/inputs.npz")["elements"]
    relevance = bundle.read_arrays(folder / "examples/relevance.npz")["relevance"]
    assert relevance.shape == inputs.shape
    assert not relevance[inputs[..., 0] == 0].any()
    assert relevance.any((1, 2)).all()


def test_card_and_signature_tell_the_limits(bundled: Bundled) -> None:
    folder = bundled[0].bundle
    card = (folder / "README.md").read_text()
    assert all(f"- {limit}" in card for limit in MODEL.limits)
    assert "is_gen_muon" in card
    (spec,) = bundle.read_signature(folder).inputs
    assert (spec.allowed, spec.limits) == ({"type": (1.0, 2.0)}, {"elements": 10_000})
    metrics = read_json(folder / "metrics.json")
    assert {"mlpf_mean_f1", "rules_mean_f1"} <= metrics["metrics"].keys()
    assert all(line in card for line in metrics["headline"])
