"""Where runs and registered models are kept: an MLflow tracking server, or a file in the project."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..bundle.privacy import report_nothing
from ..provenance.configuration import Config
from ..provenance.project import Project
from .moved import ARTIFACTS, follow

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["DATABASE", "artifact_location", "experiment", "own_uri", "parent_run", "tracking_uri"]


#: The file of the project's own registry.
DATABASE = "mlflow.db"


def tracking_uri(project: Project, config: Config) -> str:
    """Return the configured address, else ``MLFLOW_TRACKING_URI``, else a SQLite file in the project.

    That file is made if it isn't there; what it knows follows a project that was copied or moved.

    Raises
    ------
    ServiceError
        If the file holds models of another place that weren't copied with it.
    """
    uri = config.register_.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or own_uri(project)
    if uri == own_uri(project):
        database = project.root / DATABASE
        if not database.exists():
            _make(database)
        follow(database, project.slug)
    return uri


def _make(database: Path) -> None:
    """Make a registry beside its place, and put it there whole: two trainings may start at once in a new project."""
    report_nothing()
    from mlflow import MlflowClient

    with tempfile.TemporaryDirectory(dir=database.parent, prefix=f".{database.name}-") as folder:
        made = Path(folder) / database.name
        MlflowClient(_address(made)).search_experiments(max_results=1)
        with contextlib.suppress(FileExistsError):  # another was first: theirs is as good
            os.link(made, database)


def artifact_location(project: Project, config: Config) -> str | None:
    """Return where the artifacts of the project's own SQLite file lie: beside it; None where a server decides."""
    return (project.root / ARTIFACTS).as_uri() if tracking_uri(project, config) == own_uri(project) else None


def experiment(client: MlflowClient, project: Project, config: Config) -> str:
    """Return the id of the project's experiment; it is made on the first call."""
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(project.slug)
    if known is not None:
        return str(known.experiment_id)
    try:
        return str(client.create_experiment(project.slug, artifact_location=artifact_location(project, config)))
    except MlflowException:
        # Somebody else may have made it in between.
        known = client.get_experiment_by_name(project.slug)
        if known is None:
            raise
        return str(known.experiment_id)


@contextlib.contextmanager
def parent_run(project: Project, config: Config) -> Iterator[str]:
    """Open a run that those of several trainings belong to; give its id."""
    report_nothing()
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri(project, config))
    name = f"train {config.name}, {config.train.seeds} seeds"
    made = client.create_run(experiment(client, project, config), run_name=name)
    status = "FAILED"
    try:
        yield made.info.run_id
        status = "FINISHED"
    finally:
        client.set_terminated(made.info.run_id, status=status)


def own_uri(project: Project) -> str:
    """Return the address of the SQLite file in the project."""
    return _address(project.root / DATABASE)


def _address(database: Path) -> str:
    from sqlalchemy import URL

    # From version 2.1 on SQLAlchemy decodes what stands behind a % in a path, and knows best how to write it.
    return URL.create("sqlite", database=str(database)).render_as_string(hide_password=False)
