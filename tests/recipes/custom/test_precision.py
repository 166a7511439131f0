"""Bundles at low precision: every face gives the stored answers, and how far these are from float32 is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml

from fair_hep import bundle
from fair_hep.bundle.errors import ConfigError
from fair_hep.bundle.files import read_json, sha256
from fair_hep.bundle.runtime import load
from fair_hep.bundle.session import compute, session
from fair_hep.cli import project as commands
from fair_hep.export.parity import forward
from fair_hep.export.precision import How, to_float16
from fair_hep.project import bundle as foreign
from fair_hep.project.precision import validation_batches
from fair_hep.project.register import _outputs_file
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.tracing.graph import Published
from support.documents import DOCS, follow
from support.published import copy
from support.recipes import model as model_named
from support.small import EXAMPLE, PACKAGE, environment, make_config

Bundled = tuple[Project, Config]
MODEL = model_named("custom")
PAGE = DOCS / "how-tos" / "low-precision.md"


def test_examples_are_drawn_by_the_seed_and_every_class_alike(converted: Project) -> None:
    config = make_config(converted)
    found = [validation_batches(converted, config, MODEL) for _ in range(2)]
    for first, second in zip(*found, strict=True):
        assert all(np.array_equal(a["particles"], b["particles"]) for a, b in zip(first, second, strict=True))
    made_with, tried = found[0]
    counts = [sum(len(batch["particles"]) for batch in batches) for batches in (made_with, tried)]
    assert 0 < sum(counts) <= 512 and abs(counts[0] - counts[1]) <= 16
    jets = {jet[jet[:, 0] > 0].tobytes() for batch in made_with for jet in batch["particles"]}
    assert not jets & {jet[jet[:, 0] > 0].tobytes() for batch in tried for jet in batch["particles"]}
    other = validation_batches(converted, config.model_copy(update={"seed": 1}), MODEL)
    assert not np.array_equal(other[0][0]["particles"], made_with[0]["particles"])


def test_a_graph_of_others_is_refused_in_one_line(converted: Project, tmp_path: Path) -> None:
    config = make_config(converted, "export.precision=int8")
    with pytest.raises(ConfigError, match=r"export.precision: got int8, expected float32: the graph of others"):
        foreign.run(converted, config, onnx=tmp_path / "none.onnx", examples=tmp_path / "none.npz")


@pytest.mark.slow
def test_float16_stores_the_matrices_and_answers_as_rounded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = MODEL.build(**EXAMPLE.HYPERPARAMETERS).eval()
    given = {"particles": MODEL.example(6, 1)["particles"].numpy()}
    made = to_float16(MODEL, network, given, How(20, 0, 1.0))
    made.write(tmp_path / "half.onnx", {"title": "Tiny"})
    proto = onnx.load(tmp_path / "half.onnx")
    assert [(one.key, one.value) for one in proto.metadata_props] == [("title", "Tiny")]
    assert _stored(proto, onnx.TensorProto.FLOAT16) == 6
    assert proto.ByteSize() < made.before.ByteSize()
    found = compute(session(tmp_path / "half.onnx", threads=1), ["logits"], given)["logits"]
    rounded, before = (forward(Published(MODEL, one).eval(), given)[0][0] for one in (made.network, network))
    np.testing.assert_allclose(found, rounded, rtol=1e-5, atol=1e-6)
    assert 1e-6 < np.abs(found - before).max() < 2e-3


@pytest.mark.slow
def test_every_face_gives_the_stored_answers_and_the_distance_is_told(
    bundled: Bundled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the words of the how-to."""
    project, config = copy(bundled, tmp_path / "project")
    before = load(project.bundle, threads=1)
    few = config.model_copy(update={"export": config.export.model_copy(update={"examples": 4})})
    text = yaml.safe_dump(few.model_dump(mode="json", by_alias=True))
    (project.root / "configs" / "quick.yaml").write_text(text, encoding="utf-8")
    for name, value in environment(project).items():
        monkeypatch.setenv(name, value)
    follow(PAGE.read_text(encoding="utf-8"), project.root, commands={PACKAGE: lambda words: commands.main(list(words))})
    low = few.model_copy(update={"export": few.export.model_copy(update={"precision": "int8"})})
    signature, metrics = bundle.read_signature(project.bundle), read_json(project.bundle / "metrics.json")
    assert signature.precision == "int8"
    # Three maps of constituents; those of the whole jet stay.
    assert _stored(onnx.load(project.bundle / bundle.MODEL), onnx.TensorProto.INT8) == 3
    _figures_are_the_graphs_own(project, low, metrics)
    jets = list(bundle.read_arrays(project.bundle / "examples/inputs.npz")["particles"])
    now, then = (model.predict(jets)["logits"] for model in (load(project.bundle, threads=1), before))
    assert 0 < np.abs(now - then).max() / max(1.0, np.abs(then).max()) < 0.1
    assert set(metrics["precision"]["bytes"]) == {bundle.MODEL, bundle.EXPLAINED, bundle.WEIGHTS}
    assert "multiply integers of eight bits" in (project.bundle / "README.md").read_text(encoding="utf-8")


def _stored(proto: onnx.ModelProto, kind: int) -> int:
    """Return how many matrices of a graph are of a type."""
    return sum(one.data_type == kind for one in proto.graph.initializer if len(one.dims) == 2)


def _figures_are_the_graphs_own(project: Project, config: Config, metrics: dict[str, Any]) -> None:
    folder = project.run(config.name, f"evaluate-{config.export.precision}")
    assert read_json(folder / "metrics.json")["metrics"] == metrics["metrics"]
    record, decisive = metrics["precision"], metrics["decisive"]
    assert record["value"] == metrics["metrics"][decisive]
    assert record["float32"] == read_json(project.run(config.name, "evaluate") / "metrics.json")["metrics"][decisive]
    assert 0 <= record["flipped"] < 0.2
    assert 0.9 < record["explanations"]["rank_correlation"] <= 1
    assert _outputs_file(project, config) == folder / "outputs.npz"
    weights = sha256(project.bundle / bundle.WEIGHTS)
    for name in ("provenance.json", "provenance/evaluate.json"):
        assert weights in read_json(project.bundle / name)["inputs"].values()
