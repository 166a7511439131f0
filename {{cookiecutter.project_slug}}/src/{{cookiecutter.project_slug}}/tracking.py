"""Where runs and registered models are kept: an MLflow tracking server, or a file in the project."""

from __future__ import annotations

import os

from .config import Config
from .project import Project

__all__ = ["tracking_uri"]


def tracking_uri(project: Project, config: Config) -> str:
    """Return the configured address, else ``MLFLOW_TRACKING_URI``, else a SQLite file in the project."""
    return (
        config.register_.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project.root}/mlflow.db"
    )
