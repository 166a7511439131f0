"""Relevances by the graph in ONNX Runtime are the engine's, and where they aren't, the engine explains."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from fair_hep.bundle.errors import ExplainError
from fair_hep.models.explaining import rules_of
from fair_hep.models.synthetic import jets
from fair_hep.provenance.configuration import ExplainConfig
from fair_hep.study import runtimes
from fair_hep.study.sets import COMPARED, explain_sets, relevance_key, with_graph, write_sets
from fair_hep.study.work import Work
from support.example_particlenet import smallest
from support.recipes import model as model_named

MODEL = model_named("particlenet")
pytestmark = pytest.mark.slow


class Jets:
    """Jets of up to twenty constituents, whose axis isn't that of the constituents: others were cut away."""

    def __init__(self, size: int = 24) -> None:
        self.batch = jets(size, 1, longest=20)
        self.batch["axis"] = self.batch["axis"] * torch.tensor([1.0, 1.1, 0.9, 1.05])[: self.batch["axis"].shape[1]]

    def __len__(self) -> int:
        return len(self.batch["label"])

    def __getitems__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        return {name: values[indices] for name, values in self.batch.items()}


def work(**settings: Any) -> Work:
    torch.manual_seed(0)
    asked = MODEL.explanation()  # type: ignore[attr-defined]
    chosen = rules_of(MODEL, ExplainConfig(**settings))
    network, target = smallest(MODEL), MODEL.target()
    return Work(MODEL, network, Jets(), list(range(24)), target, chosen, asked.layout, asked.columns)


def relevances(one: Work) -> np.ndarray:
    (found,) = explain_sets(one, progress=None)
    return found["element/relevance"].astype(float)


def changed(folder: Path, to: Path, factor: float) -> Path:
    """Write the graph with all its maps' weights multiplied."""
    (path,) = folder.iterdir()
    proto = onnx.load(path)
    for tensor in proto.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2:
            tensor.raw_data = (np.frombuffer(tensor.raw_data, np.float32) * np.float32(factor)).tobytes()
    onnx.save_model(proto, to / path.name)
    return to / path.name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the graph."""
    made: Path = tmp_path_factory.mktemp("graph")
    assert with_graph(work(runtime="onnx"), made).graph
    return made


def test_the_graph_gives_what_the_engine_gives(folder: Path) -> None:
    before = [path.stat().st_mtime_ns for path in folder.iterdir()]
    graph = with_graph(work(runtime="onnx"), folder)
    assert [path.stat().st_mtime_ns for path in folder.iterdir()] == before, "made once"
    assert graph.graph
    engine = work()
    (ours,), (theirs,) = (list(explain_sets(one, progress=None)) for one in (engine, graph))
    assert theirs.keys() == ours.keys()
    for name, values in ours.items():
        assert theirs[name].dtype == values.dtype, name
        largest = np.nanmax(np.abs(values))
        if name != "ledger/error":
            np.testing.assert_allclose(theirs[name], values, rtol=1e-3, atol=1e-4 * largest, err_msg=name)
    assert theirs["ledger/error"].max() < 1e-5
    assert relevance_key(graph) != relevance_key(engine)


@pytest.mark.parametrize("factor", [1.0, 1.00003], ids=["as made", "changed a little"])
def test_the_difference_is_measured(folder: Path, tmp_path: Path, factor: float) -> None:
    changed(folder, tmp_path, factor)
    graph = with_graph(work(runtime="onnx"), tmp_path)
    ours, theirs = (relevances(one)[:COMPARED] for one in (work(), graph))
    apart = np.abs(theirs - ours).max(axis=(1, 2)) / np.abs(ours).max(axis=(1, 2))
    assert graph.graph
    # On some processors the graph as it was made agrees to the last bit.
    assert graph.graph.difference == pytest.approx(apart.max(), rel=0.05, abs=1e-6)
    assert graph.graph.difference < runtimes.TOLERANCE
    assert factor == 1.0 or graph.graph.difference > 1e-5


def test_processes_open_it_too(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = with_graph(work(runtime="onnx"), folder)
    written = [write_sets(tmp_path / str(count), graph, {}, processes=count).read_bytes() for count in (1, 2)]
    assert written[0] == written[1]


def test_passes_are_full_and_hold_every_jet_once(folder: Path) -> None:
    graph = with_graph(work(runtime="onnx"), folder)
    whole = explain_sets(graph, progress=None)
    one_by_one = replace(graph, settings=graph.settings.model_copy(update={"batch_size": 1}))
    (together,), (alone,) = list(whole), list(explain_sets(one_by_one, progress=None))
    wanted = alone["element/relevance"]
    largest = np.abs(wanted).max()
    np.testing.assert_allclose(together["element/relevance"], wanted, rtol=1e-3, atol=1e-4 * largest)


def test_few_examples_and_double_precision_are_the_engines(folder: Path) -> None:
    assert with_graph(work(), folder).graph is None
    assert with_graph(work(runtime="torch"), folder).graph is None
    assert with_graph(work(precision="float64"), folder).graph is None
    with pytest.raises(ExplainError, match=r"runtime=onnx computes in float32, got explain\.precision=float64"):
        with_graph(work(runtime="onnx", precision="float64"), folder)


def test_a_graph_that_disagrees_is_not_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = changed(folder, tmp_path, 1.01)
    with pytest.raises(ExplainError, match=r"runtime=onnx: its relevances differ from the engine's by"):
        with_graph(work(runtime="onnx"), tmp_path)
    monkeypatch.setattr(runtimes, "PAYS", 24)
    with caplog.at_level(logging.WARNING):
        assert with_graph(work(), tmp_path).graph is None
    assert "explained in PyTorch, as the graph can't be used: its relevances differ" in caplog.text
    broken.write_bytes(b"no graph")
    assert with_graph(work(), tmp_path).graph is None
    assert with_graph(work(), folder).graph, "where it agrees it is used"
