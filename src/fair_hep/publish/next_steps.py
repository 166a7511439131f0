"""What to do with a registered model: how to look at it, how to hand it on, and one command to go on with."""

from __future__ import annotations

from ..bundle.http import without_secrets
from ..provenance.configuration import Config
from ..provenance.project import Project
from .tracking import DATABASE, own_uri, tracking_uri

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
    uri = tracking_uri(project, config)
    # A server has its page; a file needs one started, in the project's folder.
    if uri.startswith(("http://", "https://")):
        look = f"{without_secrets(uri).rstrip('/')}/#/models/{name}"
    else:
        kept = f"sqlite:///{DATABASE}" if uri == own_uri(project) else without_secrets(uri)
        command = f"MLFLOW_DISABLE_TELEMETRY=true mlflow server --backend-store-uri {kept}"
        look = f"{command}, then open {_PAGE}/#/models/{name}"
    return [
        f"to look at it: {look}",
        f"to hand it on: {project.slug} publish packs it into dist/, one archive that runs, explains and verifies by "
        "itself; its README says how",
        f"next: {project.slug} serve --port 5001",
    ]
