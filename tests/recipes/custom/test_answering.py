"""What answers in an evaluation: PyTorch or a graph, which has the same answers or isn't used."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from fair_hep.bundle.errors import ConfigError
from fair_hep.project import answering, evaluate
from fair_hep.provenance.project import Project, load_project
from support.small import make_config

pytestmark = pytest.mark.slow


@pytest.fixture
def here(project: Project, tmp_path: Path) -> Project:
    shutil.copytree(project.root, tmp_path / "project", symlinks=True)
    return load_project(tmp_path / "project")


def logits(project: Project, *overrides: str) -> np.ndarray:
    evaluate.run(project, make_config(project, *overrides))
    with np.load(project.run("quick", "evaluate") / "outputs.npz") as found:
        values: np.ndarray = found["logits"]
        return values


def test_the_graph_answers_as_the_network(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = logits(here, "evaluate.runtime=torch")
    folder = here.run("quick", "evaluate-graph")
    assert not folder.exists()
    found = logits(here, "evaluate.runtime=onnx")
    assert not np.array_equal(found, wanted), "somebody else computed"
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    (path,) = folder.iterdir()
    made = path.stat().st_mtime_ns
    monkeypatch.setattr(answering, "PAYS", 300)
    np.testing.assert_array_equal(logits(here), found)
    assert path.stat().st_mtime_ns == made, "it is made once"


def test_a_graph_that_disagrees_is_not_used(
    here: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = logits(here, "evaluate.runtime=onnx")
    (path,) = here.run("quick", "evaluate-graph").iterdir()
    proto = onnx.load(path)
    for tensor in proto.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2:
            tensor.raw_data = (np.frombuffer(tensor.raw_data, np.float32) * np.float32(1.01)).tobytes()
    onnx.save_model(proto, path)
    with pytest.raises(ConfigError, match=r"runtime=onnx: its outputs differ from the network's by .*, expected"):
        logits(here, "evaluate.runtime=onnx")
    monkeypatch.setattr(answering, "PAYS", 300)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_allclose(logits(here), wanted, rtol=1e-4, atol=1e-5)
    assert "evaluated in PyTorch, as the graph can't be used: its outputs differ" in caplog.text
