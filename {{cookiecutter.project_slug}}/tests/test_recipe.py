"""The recipe keeps its promises, and the chain goes through on a few examples of the sample."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fair_hep.models.recipe import recipe
from fair_hep.project import check, run
from fair_hep.provenance.configuration import load_config
from fair_hep.provenance.library import installed, require_pinned
from fair_hep.provenance.project import Project, find_root, load_project

ROOT = find_root(Path(__file__).parent)
#: What makes the chain short: a few examples show that it works, and not how well.
SHORT = ("train.epochs=1", "train.limit=60", "train.batch_size=20", "evaluate.limit=60", "explain.size=8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of what the chain reads: it leaves nothing in the project itself."""
    for name in ("project.yaml", "LICENSE", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("configs", "sample"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return load_project(tmp_path)


def test_the_library_is_the_one_that_is_pinned() -> None:
    require_pinned(ROOT)
    assert installed().version


def test_the_recipe_says_what_goes_in_and_out() -> None:
    model = recipe(load_project(ROOT))
    assert model.inputs
    assert model.outputs
    assert all(spec.meaning for spec in (*model.inputs, *model.outputs))


@pytest.mark.slow
def test_every_promise_is_kept(project: Project) -> None:
    found = check.run(project, load_config(project.root / "configs" / "quick.yaml"))
    assert "problem" not in found, "\n".join(found["headline"])


@pytest.mark.slow
def test_the_chain_goes_through_on_a_few_examples(project: Project) -> None:
    found = run.run(project, load_config(project.root / "configs" / "quick.yaml", SHORT))
    assert all(comparison["passed"] for comparison in found["verify"]["checks"])
    assert (project.bundle / "SHA256SUMS").is_file()
