"""What to do with a registered model: how to look at it, how to hand it on, and one command to go on with."""

from __future__ import annotations

import os

from ..provenance.configuration import Config
from ..provenance.project import Project
from .tracking import tracking_uri, without_secrets

__all__ = ["next_steps"]

_PAGE = "http://127.0.0.1:5000"


def next_steps(project: Project, config: Config, name: str) -> list[str]:
    """Return a line for each.

    Parameters
    ----------
    project, config
        Whose registry it is.
    name
        Name of the model there.
    """
    uri = without_secrets(tracking_uri(project, config))
    # A server has its page; a file needs one started, in the project's folder.
    if uri.startswith(("http://", "https://")):
        look = f"{uri.rstrip('/')}/#/models/{name}"
    else:
        kept = uri.replace(f"sqlite:///{project.root}{os.sep}", "sqlite:///")
        command = f"MLFLOW_DISABLE_TELEMETRY=true mlflow server --backend-store-uri {kept}"
        look = f"{command}, then open {_PAGE}/#/models/{name}"
    return [
        f"to look at it: {look}",
        f"to hand it on: {project.slug} publish packs it into dist/, one archive that runs, explains and verifies by "
        "itself; its README says how",
        f"next: {project.slug} serve --port 5001",
    ]
