"""Who made an output folder, with what, from what."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fair_hep import provenance
from fair_hep.bundle.errors import MissingStepError
from fair_hep.bundle.files import sha256
from support.small import make_config, make_project


def test_record_holds_configuration_versions_seed_and_inputs(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    inputs = provenance.checksums(project.root, project.root / "project.yaml", tmp_path / "project" / "LICENSE")
    provenance.record(tmp_path, project, make_config(project), "train", inputs=inputs, answer=42)
    values = provenance.require(tmp_path, "train")
    assert values["inputs"] == {name: sha256(project.root / name) for name in ("project.yaml", "LICENSE")}
    assert values["configuration"]["train"]["epochs"] == make_config(project).train.epochs
    assert {"torch", "numpy"} <= values["versions"].keys()
    assert (values["seed"], values["answer"]) == (20190222, 42)
    assert str(tmp_path) not in (tmp_path / provenance.FILE).read_text()


def test_an_unfinished_folder_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingStepError, match="run `evaluate` first"):
        provenance.require(tmp_path, "evaluate")


def test_the_commit_says_whether_files_differ(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.org", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "one")
    commit = git("rev-parse", "HEAD")
    assert provenance.git_commit(tmp_path) == commit
    (tmp_path / "a").write_text("2")
    assert provenance.git_commit(tmp_path) == f"{commit}-dirty"


def test_outside_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.git_commit(tmp_path) is None
