"""The explained graph: relevances without a training framework, the same as the engine's, with a ledger that closes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from fair_hep import bundle
from fair_hep.bundle import Relevance
from fair_hep.bundle.errors import BundleError, DataError, MissingStepError
from fair_hep.bundle.runtime import LoadedModel, load, session
from fair_hep.export.explained_parity import compare_explained, default_target, ledger_error
from fair_hep.export.faces import load_network
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.tracing.explained import Explained, explained_inputs, explained_outputs, export_explained
from fair_hep.tracing.graph import graph_inputs
from fair_hep.tracing.sums import losing
from support.published import copy
from support.recipes import model as model_named
from support.small import EXAMPLE, NAME, SOURCE

Bundled = tuple[Project, Config]
MODEL = model_named(NAME)


@pytest.fixture(scope="module")
def model(bundled: Bundled) -> LoadedModel:
    return load(bundled[0].bundle, threads=1)


@pytest.fixture(scope="module")
def network(bundled: Bundled, model: LoadedModel) -> torch.nn.Module:
    return load_network(bundled[0].bundle, model.signature, MODEL)


@pytest.fixture(scope="module")
def values(bundled: Bundled) -> np.ndarray:
    return bundle.read_arrays(bundled[0].bundle / "examples/inputs.npz")[MODEL.inputs[0].name]


def real(example: np.ndarray) -> np.ndarray:
    return example[(example != 0).any(-1)]


def test_stored_relevances_come_back_and_sum_to_what_is_explained(
    bundled: Bundled, model: LoadedModel, values: np.ndarray
) -> None:
    stored = bundle.read_arrays(bundled[0].bundle / "examples/relevance.npz")["relevance"]
    doubtful = set(bundle.read_examples(bundled[0].bundle).unsteady)
    assert len(doubtful) < len(values) / 2
    for number, (example, found) in enumerate(zip(values, model.explain([real(v) for v in values]), strict=True)):
        count = len(real(example))
        assert found["relevance"].shape == (count, len(MODEL.features.columns))
        if number not in doubtful:
            largest = np.abs(stored[number]).max()
            assert np.abs(found["relevance"] - stored[number, :count]).max() <= 2e-3 * largest
        *taken, scale = found["ledger"]
        assert abs(found["explained"] - found["relevance"].sum(dtype=float) - sum(taken)) <= 1e-5 * scale


def test_outputs_are_those_of_the_plain_graph(model: LoadedModel, values: np.ndarray) -> None:
    examples = [real(example) for example in values]
    for plain, explained in zip(model.predict_each(examples), model.explain(examples), strict=True):
        for name, wanted in plain.items():
            np.testing.assert_allclose(explained[name], wanted, rtol=1e-4, atol=1e-4)


def test_nothing_has_an_answer_and_no_relevance(model: LoadedModel, values: np.ndarray) -> None:
    alone, beside = model.explain([values[0][:0]])[0], model.explain([values[0][:0], real(values[1])])[0]
    assert alone["relevance"].shape == beside["relevance"].shape == (0, len(MODEL.features.columns))
    for name, wanted in model.predict_each([values[0][:0]])[0].items():
        assert np.isfinite(wanted).all()
        for found in (alone, beside):
            np.testing.assert_allclose(found[name], wanted, rtol=1e-4, atol=1e-4)


def test_threads_change_nothing(bundled: Bundled, model: LoadedModel, values: np.ndarray) -> None:
    several = load(bundled[0].bundle, threads=2)
    examples = [real(example) for example in values]
    wanted = model.explain(examples)
    for _ in range(8):
        for one, other in zip(wanted, several.explain(examples), strict=True):
            # Sums may be rounded differently, but no term of them is lost.
            scale = np.abs(one["relevance"]).max()
            assert np.abs(one["relevance"] - other["relevance"]).max() <= 1e-3 * scale


@pytest.mark.parametrize("batch", [1, 5, 100])
def test_batches_and_padding_change_nothing(model: LoadedModel, values: np.ndarray, batch: int) -> None:
    padded = np.pad(values, [(0, 0), (0, 9), (0, 0)])
    for first, second in zip(model.explain(values), model.explain(padded, batch=batch), strict=True):
        count = len(first["relevance"])
        largest = np.abs(first["relevance"]).max()
        assert np.abs(first["relevance"] - second["relevance"][:count]).max() <= 5e-3 * largest
        assert not second["relevance"][count:].any()


def test_what_is_explained_can_be_chosen_for_each_example(model: LoadedModel, values: np.ndarray) -> None:
    examples = [real(example) for example in values[:4]]
    width = len(explained_inputs(MODEL)[-1].columns)
    one, other = np.eye(width)[0], 3 * np.eye(width)[1]
    first, second = model.explain(examples, one), model.explain(examples, other)
    both = model.explain(examples, [one + other] * 4)
    for a, b, c in zip(first, second, both, strict=True):
        assert c["explained"] == pytest.approx(a["explained"] + b["explained"], rel=1e-4, abs=1e-4)
        # Relevance is linear in what is explained: the backward pass is.
        scale = c["ledger"][3]
        np.testing.assert_allclose(a["relevance"] + b["relevance"], c["relevance"], atol=1e-3 * scale)
    nothing = model.explain(examples, np.zeros(width))
    assert all(found["explained"] == 0 and not found["relevance"].any() for found in nothing)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ([1.0], r"target\[0\]: got shape \[1\], expected weights of logits_"),
        ("top", "something else than numbers"),
        (float("nan"), r"target\[0\]: got"),
        ("infinite", r"target\[0\]: got weights that aren't finite"),
        ("few", "got 1 targets, expected one for each example"),
    ],
)
def test_a_wrong_target_is_one_line(model: LoadedModel, values: np.ndarray, target: Any, words: str) -> None:
    width = len(explained_inputs(MODEL)[-1].columns)
    given = {"infinite": [float("inf")] * width, "few": [[0.0] * width]}.get(str(target), target)
    with pytest.raises(DataError, match=words) as caught:
        model.explain(values[:2], given)
    assert "\n" not in str(caught.value)


def test_explaining_imports_no_training_framework(bundled: Bundled) -> None:
    code = f"""
import sys
import numpy as np
from fair_hep import load
values = np.load({str(bundled[0].bundle / "examples/inputs.npz")!r})[{MODEL.inputs[0].name!r}]
found = load({str(bundled[0].bundle)!r}).explain(values[:2])
assert found[0]["relevance"].any()
heavy = {{"torch", "lightning", "mlflow", "matplotlib", "pandas", "scipy", "onnx", "awkward"}} & set(sys.modules)
assert not heavy, heavy
"""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_graph_says_what_it_is_and_stays_within_plain_onnx(bundled: Bundled, model: LoadedModel) -> None:
    path = bundled[0].bundle / bundle.EXPLAINED
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    assert {entry.domain for entry in proto.opset_import} == {""}
    assert not proto.functions
    assert path.stat().st_size < 4 * 2**20
    # ONNX Runtime adds in several threads there, and terms of the same index may be lost.
    assert losing(proto) == []
    told = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(told["explanation"])["composite"] == "epsilon"
    known = model.signature.explained
    assert known is not None
    assert [value.name for value in proto.graph.input] == [spec.name for spec in known.inputs]
    assert [value.name for value in proto.graph.output] == [spec.name for spec in known.outputs]
    plain = [spec.name for spec in explained_outputs(MODEL)]
    assert [spec.name for spec in known.outputs][: len(plain)] == plain
    for value, spec in zip(proto.graph.output, known.outputs, strict=True):
        shape = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        assert shape == [axis if axis in spec.dynamic else spec.sizes[axis] for axis in spec.axes], spec.name


@pytest.mark.slow
@pytest.mark.parametrize("composite", EXAMPLE.COMPOSITES)
def test_other_rules_can_be_written_too(tmp_path: Path, composite: str) -> None:
    torch.manual_seed(0)
    network = EXAMPLE.smallest(MODEL)
    how = Relevance(composite=composite, bias="absorb", epsilon=1e-6, target=list(MODEL.target()), tolerance=5e-3)
    path = tmp_path / "explained.onnx"
    outputs = export_explained(MODEL, network, path, how, opset=20, metadata={})
    arrays = {spec.name: MODEL.example(6, 1)[spec.name].numpy() for spec in graph_inputs(MODEL)}
    weights = default_target(MODEL, how.target, next(iter(arrays.values())))
    with Explained(MODEL, network, how) as explained:
        ours = explained(*(torch.from_numpy(value) for value in (*arrays.values(), weights)))
    opened = session(path)
    theirs = opened.run(None, {**arrays, "target": weights})
    names = [spec.name for spec in outputs]
    wanted, given = (dict(zip(names, each, strict=True)) for each in (ours, theirs))
    differences = np.abs(given["relevance"] - wanted["relevance"].numpy()).reshape(6, -1).max(1)
    sizes = np.abs(wanted["relevance"].numpy()).reshape(6, -1).max(1)
    # Most examples: where a denominator nearly vanishes, single precision determines nothing.
    assert np.sort(differences / sizes)[3] < 1e-3
    assert ledger_error(given, weights, [spec.name for spec in MODEL.outputs]) < 1e-5


@pytest.mark.slow
def test_another_networks_graph_is_caught(
    bundled: Bundled, model: LoadedModel, network: torch.nn.Module, values: np.ndarray
) -> None:
    # Near the bundle's own, so that single precision determines its relevances as well.
    other, generator = deepcopy(network), torch.Generator().manual_seed(99)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1 + 0.1 * torch.randn(parameter.shape, generator=generator))
    graph, arrays = bundled[0].bundle / bundle.EXPLAINED, {MODEL.inputs[0].name: values[:12]}
    known = model.signature.explained
    assert known is not None
    with pytest.raises(BundleError, match="relevances differ from PyTorch's"):
        compare_explained(MODEL, other, graph, arrays, inputs=model.signature.inputs, how=known.how)


def test_the_ledger_of_no_example_is_closed(model: LoadedModel) -> None:
    known = model.signature.explained
    assert known is not None
    empty = {spec.name: np.zeros([0, *(spec.sizes.get(axis, 1) for axis in spec.axes[1:])]) for spec in known.outputs}
    weights = np.zeros([0, *empty[MODEL.outputs[0].name].shape[1:]])
    assert ledger_error(empty, weights, [MODEL.outputs[0].name]) == 0.0


def test_a_bundle_without_the_graph_says_what_to_run(bundled: Bundled, tmp_path: Path, values: np.ndarray) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    (project.bundle / bundle.EXPLAINED).unlink()
    with pytest.raises(MissingStepError, match=r"model_explained\.onnx.*export"):
        load(project.bundle).explain(values)
