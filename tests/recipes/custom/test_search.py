"""The how-to on searching settings: its script runs as it stands, trials are runs, and children in MLflow."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from fair_hep.project import data
from fair_hep.provenance.configuration import load_config
from support.needs import require
from support.recipes import ROOT
from support.small import environment, make_project

HOW_TO = ROOT / "docs" / "how-tos" / "search-settings.md"


@pytest.mark.slow
def test_the_script_searches_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    require(importlib.util.find_spec("optuna"), "optuna isn't installed")
    project = make_project(tmp_path / "project")
    path = project.root / "configs" / "quick.yaml"
    settings = {"name": "quick", "train": {"epochs": 1, "limit": 64, "threads": 1}}
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    data.run(project, load_config(path))
    (script,) = re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert "TRIALS = 20\n" in script
    told = []
    for trials in (1, 1):
        done = subprocess.run(
            [sys.executable, "-c", script.replace("TRIALS = 20\n", f"TRIALS = {trials}\n")],
            cwd=project.root, env=environment(project), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.strip().splitlines()[-1])
    assert re.fullmatch(
        r"best: train\.peak_learning_rate=\S+ train\.batch_size=\d+ model\.width=\d+ val_loss \S+", told[0]
    )
    assert [(project.run(f"trial-{n}", "train") / "provenance.json").is_file() for n in range(3)] == [True] * 2 + [
        False
    ]
    client = MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name(project.slug).experiment_id])
    searches = {one.info.run_id for one in runs if one.info.run_name == "search"}
    children = [one for one in runs if one.data.tags.get("mlflow.parentRunId") in searches]
    assert len(searches) == 2
    assert sorted(one.info.run_name for one in children) == ["train trial-0", "train trial-1"]
