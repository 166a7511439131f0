"""``project.yaml``: found from below, validated, and named when wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from fair_hep.bundle.errors import ConfigError
from fair_hep.provenance.project import load_project
from support.small import make_project


def test_the_project_is_found_from_a_folder_below(tmp_path: Path) -> None:
    make_project(tmp_path)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    project = load_project(below)
    assert project.root == tmp_path.resolve()
    assert project.run("quick", "train") == tmp_path.resolve() / "runs" / "quick" / "train"


def test_unknown_and_missing_keys_are_named(tmp_path: Path) -> None:
    path = make_project(tmp_path).root / "project.yaml"
    path.write_text(path.read_text().replace("title:", "titel:"))
    with pytest.raises(ConfigError, match=r"'title' is missing.*did you mean 'title'"):
        load_project(tmp_path)
