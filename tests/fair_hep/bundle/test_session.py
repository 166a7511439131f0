"""Where a graph runs: on a GPU if there is one, in full single precision; else on the CPU, and one line says so."""

from __future__ import annotations

import ast
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import fair_hep
from fair_hep import bundle
from fair_hep.bundle.errors import BundleError
from fair_hep.bundle.runtime import load
from fair_hep.bundle.session import GPU, _providers, compute, session
from fair_hep.bundle.stored import Stored
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project

Bundled = tuple[Project, Config]
CPU = "CPUExecutionProvider"


def test_a_gpu_comes_first_and_rounds_nothing_to_ten_bits() -> None:
    assert _providers(["TensorrtExecutionProvider", GPU, CPU]) == [(GPU, {"use_tf32": "0"}), CPU]
    assert _providers(["AzureExecutionProvider", CPU]) == [CPU]


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_runtime_for_gpus_without_one_computes_on_the_cpu_and_says_so(
    bundled: Bundled, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = bundled[0].bundle / bundle.MODEL
    with caplog.at_level(logging.WARNING):
        assert CPU in session(path, threads=1).get_providers()
        alone = list(caplog.messages)
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [GPU, CPU])
        monkeypatch.setattr(f"{session.__module__}._no_gpu", threading.Event())
        opened = session(path, threads=1)
        session(path, threads=1)
    if GPU not in opened.get_providers():
        assert caplog.messages[len(alone) :] == ["no GPU can be used: computing on the CPU"]
        assert opened.get_providers() == [CPU]


def test_what_a_graph_cannot_compute_is_one_line(bundled: Bundled) -> None:
    opened = session(bundled[0].bundle / bundle.MODEL, threads=1)
    arrays = {value.name: np.zeros((2, 3, 99), np.float32) for value in opened.get_inputs()}
    with pytest.raises(BundleError, match=r"^the graph can't compute these \(.*\[2, 3, 99\]\): .*99") as caught:
        compute(opened, [value.name for value in opened.get_outputs()], arrays)
    assert "\n" not in str(caught.value)


def test_it_is_imported_in_one_place() -> None:
    def imports(tree: ast.AST) -> bool:
        if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
            return False
        names = [name.name for name in tree.names] if isinstance(tree, ast.Import) else []
        names += [tree.module or ""] if isinstance(tree, ast.ImportFrom) else []
        return "onnxruntime" in names or any(imports(part) for part in ast.iter_child_nodes(tree))

    files = Path(fair_hep.__file__).parent.rglob("*.py")
    assert [path.name for path in files if imports(ast.parse(path.read_text()))] == ["session.py"]


@pytest.mark.gpu
def test_a_gpu_gives_the_stored_answers_and_closes_the_ledger(bundled: Bundled) -> None:
    model = load(bundled[0].bundle)
    # What is offered says nothing, only what a session uses. No machine of ours has a GPU, so this isn't one of the
    # things that `REQUIRE_ALL` asks for.
    if GPU not in model.session.get_providers():
        pytest.skip("no CUDA here: parity and ledger on a GPU are untested")
    assert all(check.passed for check in model.verify())
    for found in model.explain(Stored.read(bundled[0].bundle).inputs):
        *taken, scale = found["ledger"]
        total: Any = found["relevance"].astype(np.float64).sum() + np.sum(taken)
        assert abs(found["explained"] - total) <= 1e-5 * scale
