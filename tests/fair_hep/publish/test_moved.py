"""A project that was copied has a registry of its own: nothing of it leads to the original."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fair_hep.bundle.errors import ServiceError
from fair_hep.project.register import connected
from fair_hep.provenance.project import Project, load_project
from fair_hep.publish.tracking import experiment, tracking_uri
from support.small import environment, make_config, make_project

pytestmark = pytest.mark.slow

TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"


def registered(root: Path) -> Project:
    """Make a project with a run, a file of it, and a version of a model, as `register` leaves them."""
    import mlflow

    project = make_project(root)
    config = make_config(project)
    with connected(tracking_uri(project, config)) as client:
        with mlflow.start_run(experiment_id=experiment(client, project, config)) as active:
            mlflow.log_text("1", "metrics/some.txt")
        client.create_registered_model(project.slug)
        client.create_model_version(project.slug, f"{active.info.artifact_uri}/metrics", active.info.run_id)
    return project


def copied(project: Project, root: Path) -> Project:
    shutil.copytree(project.root, root, symlinks=True)
    return load_project(root)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Project:
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        return registered(tmp_path_factory.mktemp("a b%20c") / "project")


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def addresses(database: Path) -> list[str]:
    """Return every text in the database that names a file or a folder."""
    found = []
    with sqlite3.connect(database) as opened:
        for (table,) in opened.execute(TABLES).fetchall():
            for row in opened.execute(f"SELECT * FROM {table}"):
                found += [value for value in row if isinstance(value, str) and ("/" in value or "\\" in value)]
    return found


#: What somebody does with a copy, in a process of its own: MLflow remembers for each run where its files are.
_USE = """
from fair_hep.project.register import connected
from fair_hep.provenance.project import load_project
from fair_hep.publish.tracking import experiment, tracking_uri
from support.small import make_config
copy = load_project()
config = make_config(copy)
with connected(tracking_uri(copy, config)) as client:
    run = client.search_runs([experiment(client, copy, config)])[0]
    client.log_text(run.info.run_id, "2", "metrics/other.txt")
    print(*(item.path for item in client.list_artifacts(run.info.run_id, "metrics")))
    print(run.info.artifact_uri)
"""


def test_a_copy_leads_to_itself_and_the_original_stays_as_it_is(original: Project, tmp_path: Path) -> None:
    before = (original.root / "mlflow.db").read_bytes()
    copy = copied(original, tmp_path / "copy")
    paths = os.pathsep.join(path for path in sys.path if path)
    values = {**environment(copy), "PYTHONPATH": paths}
    del values["MLFLOW_TRACKING_URI"]
    done = subprocess.run(
        [sys.executable, "-c", _USE], cwd=copy.root, env=values, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    files, address = done.stdout.splitlines()[-2:]
    assert files.split() == ["metrics/other.txt", "metrics/some.txt"]
    assert tmp_path.name in address
    assert not list(original.root.rglob("other.txt"))
    assert list(copy.root.rglob("other.txt"))
    names = (str(original.root), original.root.as_uri())
    assert not [text for text in addresses(copy.root / "mlflow.db") if any(name in text for name in names)]
    assert (original.root / "mlflow.db").read_bytes() == before


def test_a_registry_that_lies_where_it_was_made_is_not_touched(original: Project) -> None:
    path = original.root / "mlflow.db"
    before = (path.stat().st_mtime_ns, path.read_bytes())
    tracking_uri(original, make_config(original))
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before


def test_a_copy_without_its_models_says_so_in_one_line(original: Project, tmp_path: Path) -> None:
    copy = copied(original, tmp_path / "copy")
    shutil.rmtree(copy.root / "mlartifacts")
    with pytest.raises(ServiceError, match="without mlartifacts/, where its models are: copy that folder too"):
        tracking_uri(copy, make_config(copy))


def test_a_registry_elsewhere_is_left_alone(original: Project, tmp_path: Path) -> None:
    copy = copied(original, tmp_path / "copy")
    before = (copy.root / "mlflow.db").read_bytes()
    uri = f"sqlite:///{copy.root}/other.db"
    assert tracking_uri(copy, make_config(copy, f"register.tracking_uri={uri}")) == uri
    assert (copy.root / "mlflow.db").read_bytes() == before


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    (project.root / "mlflow.db").write_text("no database, " * 100)
    with pytest.raises(ServiceError, match=r"^mlflow\.db: it can't be read"):
        tracking_uri(project, make_config(project))
