"""What travels with a registered model is enough: it runs alone, under another name, without this package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.publish.mlflow_model import RUNTIME, requirements

ALONE = """
import json, sys
from pathlib import Path
from carried.answer import LoadedModel, answer
model = LoadedModel(Path(sys.argv[1]))
request = json.loads((Path(sys.argv[1]) / "examples/request.json").read_text())["inputs"]
assert len(answer(model, request)) == len(request)
assert "relevance" in answer(model, request[:1], {"explain": True})[0]
assert all(check.passed for check in model.verify())
assert model.cite().bibtex
heavy = {"torch", "mlflow", "pandas", "requests", "click"} & set(sys.modules)
assert not heavy, heavy
"""


def test_the_carried_modules_need_no_others(bundled: tuple[Project, Config], tmp_path: Path) -> None:
    shutil.copytree(RUNTIME, tmp_path / "carried")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(bundled[0].bundle)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert str(RUNTIME) not in done.stderr


def test_requirements_are_pinned_without_local_labels() -> None:
    for line in requirements(["numpy", "torch"]):
        name, version = line.split("==")
        assert name
        assert "+" not in version
