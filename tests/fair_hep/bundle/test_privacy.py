"""Nothing is reported to anybody: no library leaves a trace or asks for an address, unless it is told otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fair_hep.bundle.privacy import SWITCHES, report_nothing
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.published import copy
from support.small import OVERRIDES, environment
from support.zenodo import Zenodo

Bundled = tuple[Project, Config]
#: In tests and in a continuous integration libraries keep quiet by themselves.
QUIET = ("CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "PYTEST_VERSION", "XDG_CACHE_HOME", "DO_NOT_TRACK", *SWITCHES)


def asked(project: Project, home: Path, *arguments: str) -> None:
    """Run Python in a process of its own that looks like a user's."""
    home.mkdir()
    variables = {name: value for name, value in environment(project).items() if name not in QUIET}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=project.root, env=variables | {"HOME": str(home)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_who_has_decided_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = SWITCHES
    monkeypatch.setenv(first, "0")
    for name in others:
        # Set first, so that it is as before at the end.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    report_nothing()
    assert os.environ[first] == "0"
    assert all(os.environ[name] == SWITCHES[name] for name in others)


def test_a_loaded_model_reports_to_nobody(bundled: Bundled, zenodo: Zenodo, tmp_path: Path) -> None:
    code = "from fair_hep import load\nassert all(check.passed for check in load('bundle').verify())"
    asked(bundled[0], tmp_path / "home", "-c", code)
    assert zenodo.refused == []
    # What ONNX Runtime would send lies in a cache first.
    assert [str(path) for path in (tmp_path / "home").rglob("*")] == []


def test_a_training_from_python_reports_to_nobody(bundled: Bundled, zenodo: Zenodo, tmp_path: Path) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    code = f"""
from pathlib import Path
from fair_hep.project import train
from fair_hep.provenance.configuration import load_config
from fair_hep.provenance.project import load_project
train.run(load_project(), load_config(Path("configs/quick.yaml"), {[*OVERRIDES, "train.epochs=1", "train.limit=64"]!r}))
"""
    asked(project, tmp_path / "home", "-c", code)
    assert zenodo.refused == []


def test_a_registration_reports_to_nobody(bundled: Bundled, zenodo: Zenodo, tmp_path: Path) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    asked(project, tmp_path / "home", "-m", "fair_hep.cli", "register")
    assert zenodo.refused == []
