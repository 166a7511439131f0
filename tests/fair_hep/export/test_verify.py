"""Verification: every face gives the stored answers, and whatever doesn't is caught, kept and named."""

from __future__ import annotations

import importlib.util
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file

from fair_hep import bundle
from fair_hep.bundle.errors import BundleError, MissingStepError
from fair_hep.bundle.stored import Comparison, Stored, compare, complaint, table
from fair_hep.project.verify import run
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.published import copy
from support.small import EXAMPLE, make_project

HEAD: str = EXAMPLE.HEAD

Bundled = tuple[Project, Config]


@pytest.fixture
def project(bundled: Bundled, tmp_path: Path) -> Project:
    return copy(bundled, tmp_path / "project")[0]


def sums(project: Project) -> None:
    """List the checksums anew, as somebody would who hides a change."""
    (project.bundle / bundle.SUMS).unlink()
    bundle.write_sums(project.bundle)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_bundle_as_exported_passes_on_every_face_and_is_not_touched(project: Project) -> None:
    before = contents(project.bundle)
    found = run(project)
    assert contents(project.bundle) == before
    assert not (project.root / "runs" / "verify").exists()
    faces = {(check["face"], check["output"]) for check in found["checks"]}
    names = [spec.name for spec in Stored.read(project.bundle).signature.outputs]
    assert {"logits", "probabilities"} <= set(names)
    assert faces == set(product(("PyTorch", "ONNX Runtime"), [*names, "relevance"]))
    assert all(check["passed"] for check in found["checks"])
    assert found["files"] == len(before) - 1
    assert any("largest difference" in line for line in found["headline"])
    assert found["headline"][-2:] == ["server: not asked (--url URL)", "image: not asked (--image NAME)"]


def test_no_bundle_says_which_command_makes_one(tmp_path: Path) -> None:
    with pytest.raises(MissingStepError, match="export"):
        run(make_project(tmp_path / "project"))


def test_a_flipped_byte_is_caught_before_anything_runs(project: Project) -> None:
    path = project.bundle / bundle.MODEL
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.onnx changed"):
        run(project)


def _weights(project: Project) -> None:
    path = project.bundle / bundle.WEIGHTS
    weights = load_file(path)
    weights[f"{HEAD}.weight"] = weights[f"{HEAD}.weight"] * np.float32(1.1)
    save_file(weights, path)


def _graph(project: Project) -> None:
    path = project.bundle / bundle.MODEL
    proto = onnx.load(path)
    # The layer's bias, whatever folding has made of its name.
    (tensor,) = (t for t in proto.graph.initializer if f".{HEAD}." in t.name and len(t.dims) == 1)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + np.float32(0.01), tensor.name))
    onnx.save(proto, path)


def _answers(project: Project) -> None:
    path = project.bundle / "examples/outputs.npz"
    arrays = bundle.read_arrays(path)
    bundle.write_arrays(path, {**arrays, "logits": arrays["logits"] + np.float32(0.01)})


def _relevances(project: Project) -> None:
    path = project.bundle / "examples/relevance.npz"
    bundle.write_arrays(path, {"relevance": bundle.read_arrays(path)["relevance"] * np.float32(1.01)})


def _narrower_answers(project: Project) -> None:
    path = project.bundle / "examples/outputs.npz"
    stored = bundle.read_arrays(path)
    bundle.write_arrays(path, {name: values[:, :-1] if values.ndim > 1 else values for name, values in stored.items()})


def _fewer_weights(project: Project) -> None:
    path = project.bundle / bundle.WEIGHTS
    weights = load_file(path)
    del weights[f"{HEAD}.weight"]
    save_file(weights, path)


DIFFERS = "differs from the stored answers"


@pytest.mark.parametrize(
    ("damage", "says", "kept"),
    [
        (_weights, f"PyTorch: .*{DIFFERS}", ["pytorch.npz"]),
        (_graph, f"ONNX Runtime: .*{DIFFERS}", ["onnx-runtime.npz"]),
        (_answers, f".*{DIFFERS}", ["onnx-runtime.npz", "pytorch.npz"]),
        (_relevances, f".*: relevance {DIFFERS}", ["onnx-runtime.npz", "pytorch.npz"]),
        (_narrower_answers, ".* can't be compared: missing, of another shape", ["onnx-runtime.npz", "pytorch.npz"]),
        (_fewer_weights, "PyTorch gave no answer: weights.safetensors: doesn't fit", ["pytorch.txt"]),
    ],
)
def test_a_face_that_differs_is_named_and_kept_and_nothing_is_mended(
    project: Project, damage: Any, says: str, kept: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    damage(project)
    sums(project)
    before = contents(project.bundle)
    with pytest.raises(BundleError, match=f"^{says}") as caught:
        run(project)
    assert "\n" not in str(caught.value)
    assert contents(project.bundle) == before
    assert sorted(path.name for path in (project.root / "runs" / "verify").glob("*")) == kept
    assert ("NO ANSWER" if damage is _fewer_weights else "DIFFERS") in caplog.text


def test_fewer_answers_than_examples_are_refused_before_anything_is_asked(project: Project) -> None:
    path = project.bundle / "examples/outputs.npz"
    bundle.write_arrays(path, {name: values[:-1] for name, values in bundle.read_arrays(path).items()})
    sums(project)
    with pytest.raises(BundleError, match=r"has \d+ examples, examples/examples\.json says \d+"):
        run(project)
    assert not (project.root / "runs" / "verify").exists()


def test_a_face_that_is_not_installed_is_said_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else real(name))
    found = run(project)
    assert found["not_asked"]["PyTorch"] == "not installed, not tried"
    assert {check["face"] for check in found["checks"]} == {"ONNX Runtime"}
    assert "PyTorch: not installed, not tried" in found["headline"]


def test_no_answer_is_no_difference() -> None:
    silent = Comparison("server", "all", 0, None, 1e-4, 0, passed=False, reason="Connection refused", answered=False)
    wrong = Comparison("image", "logits", 12, 0.5, 1e-4, 0, passed=False)
    assert complaint([silent]) == str(silent) == "server gave no answer: Connection refused"
    assert complaint([silent, wrong]).startswith("image: logits differs"), "what differs says more of the model"
    row = table([silent])[1]
    assert row.endswith("NO ANSWER")
    assert "DIFFERS" not in row
    assert "number" not in row


def test_a_near_tie_may_differ_but_only_there_and_only_by_a_number(bundled: Bundled) -> None:
    stored = Stored.read(bundled[0].bundle)
    examples = stored.examples.model_copy(update={"near_ties": [1]})
    marked = Stored(stored.folder, stored.signature, examples, stored.inputs, stored.answers)

    def moved(number: int, by: float) -> dict[str, np.ndarray]:
        given = {name: values.copy() for name, values in stored.answers.items()}
        given["logits"].reshape(-1, given["logits"].shape[-1])[number] += by
        return given

    def check(given: dict[str, np.ndarray], which: Stored) -> Comparison:
        return next(one for one in compare("face", given, which) if one.output == "logits")

    assert check(moved(1, 0.02), marked).passed
    assert check(moved(1, 0.02), marked).flipped == 1
    assert not check(moved(1, 0.02), stored).passed
    assert not check(moved(2, 0.02), marked).passed
    assert not check(moved(1, np.nan), marked).passed
    missing = {name: values for name, values in moved(1, 0.0).items() if name != "logits"}
    assert not check(missing, marked).passed
