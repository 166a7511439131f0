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


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.org", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def committed(folder: Path, *names: str) -> str:
    git(folder, "add", *names)
    git(folder, "commit", "-qm", "some")
    return git(folder, "rev-parse", "HEAD")


def test_the_commit_says_whether_files_differ(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    commit = committed(tmp_path, "a")
    assert provenance.git_commit(tmp_path) == commit
    (tmp_path / "a").write_text("2")
    assert provenance.git_commit(tmp_path) == f"{commit}-dirty"


def test_a_repository_that_ignores_the_project_says_nothing_of_it(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("build/\n")
    committed(tmp_path, ".gitignore")
    project = make_project(tmp_path / "build" / "project")
    assert provenance.git_commit(project.root) is None
    provenance.record(project.root, project, None, "train", inputs={})
    assert provenance.require(project.root, "train")["git_commit"] is None


def test_a_project_that_no_commit_holds_yet_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    root = make_project(tmp_path / "project").root
    (tmp_path / "project" / "README.md").write_text("Mine")
    committed(tmp_path, "project/README.md")
    git(tmp_path, "add", "project")
    assert provenance.git_commit(root) is None, "project.yaml is only meant to be committed"
    commit = committed(tmp_path, "project")
    assert provenance.git_commit(root) == commit


def test_only_the_projects_own_files_make_its_commit_dirty(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    root = make_project(tmp_path / "project").root
    (tmp_path / "other").write_text("1")
    commit = committed(tmp_path, "project", "other")
    (tmp_path / "other").write_text("2")
    (root / "scores.csv").write_text("1")
    assert provenance.git_commit(root) == commit
    (root / "src").mkdir()
    (root / "src" / "network.py").write_text("")
    assert provenance.git_commit(root) == f"{commit}-dirty", "code that git doesn't track"


def test_outside_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.git_commit(tmp_path) is None
