"""The registry of a project is there whole, whoever asks for it first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fair_hep.publish.tracking import DATABASE
from support.small import environment, make_project

#: What each of several trainings does first, in a process of its own.
_BEGIN = """
from mlflow import MlflowClient
from fair_hep.provenance.project import load_project
from fair_hep.publish.tracking import experiment, tracking_uri
from support.small import make_config
project = load_project()
config = make_config(project)
print(experiment(MlflowClient(tracking_uri(project, config)), project, config))
"""


@pytest.mark.slow
def test_trainings_that_begin_together_share_one_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow makes the tables step by step, and two processes that do so in one file stumble over each other."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project = make_project(tmp_path / "project")
    paths = os.pathsep.join(path for path in sys.path if path)
    values = {**environment(project), "PYTHONPATH": paths}
    del values["MLFLOW_TRACKING_URI"]
    command = [sys.executable, "-c", _BEGIN]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    begun = [subprocess.Popen(command, cwd=project.root, env=values, **pipes) for _ in range(2)]
    told = [process.communicate(timeout=240) for process in begun]
    assert [process.returncode for process in begun] == [0, 0], told
    assert len({out.strip() for out, _ in told}) == 1
    assert [path.name for path in project.root.iterdir() if "mlflow" in path.name] == [DATABASE]
