"""What every user of a bundle gets: load, predict, explain, verify and cite, and no training framework for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fair_hep import bundle
from fair_hep.bundle.errors import BundleError
from fair_hep.bundle.runtime import load
from fair_hep.bundle.stored import OWN, Stored
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.published import copy
from support.small import SOURCE

Bundled = tuple[Project, Config]

EVERYTHING = """
import sys
import numpy as np
import fair_hep.bundle.answer, fair_hep.serve.server, fair_hep.cli.bundles
from fair_hep import load
model = load(sys.argv[1], threads=1)
name = model.signature.inputs[0].name
inputs = {name: np.load(sys.argv[1] + "/examples/inputs.npz")[name][:2]}
assert len(model.predict(inputs)["logits"]) == 2
assert len(model.explain(inputs)) == 2
assert all(check.passed for check in model.verify())
assert model.cite().bibtex.startswith("@")
heavy = {"torch", "lightning", "mlflow", "matplotlib", "pandas", "scipy", "onnx", "awkward", "cffconvert"}
print(*sorted(heavy & set(sys.modules)))
"""


def test_everything_that_a_user_needs_imports_no_training_framework(bundled: Bundled, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", EVERYTHING, str(bundled[0].bundle)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_a_bundle_verifies_itself(bundled: Bundled) -> None:
    checks = load(bundled[0].bundle, threads=1).verify()
    stored = Stored.read(bundled[0].bundle)
    assert {check.face for check in checks} == {OWN}
    assert [check.output for check in checks] == list(stored.answers)
    for check in checks:
        assert str(check).startswith(f"{OWN}: {check.output} the same as stored: {check.answers} answers, largest")


def test_a_bundle_with_other_answers_does_not(bundled: Bundled, tmp_path: Path) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    (project.bundle / "README.md").write_text("changed")
    with pytest.raises(BundleError, match=r"README\.md changed"):
        load(project.bundle).verify()
    path = project.bundle / "examples/relevance.npz"
    bundle.write_arrays(path, {"relevance": bundle.read_arrays(path)["relevance"] * np.float32(1.01)})
    (project.bundle / bundle.SUMS).unlink()
    bundle.write_sums(project.bundle)
    with pytest.raises(BundleError, match=r"ONNX Runtime: relevance differs from the stored answers by .*expected"):
        load(project.bundle).verify()
