"""Files that run the image of a project's version: in a Kubernetes cluster, with KServe, or on one machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ..bundle.errors import ConfigError
from ..bundle.files import write_text
from ..provenance.project import Project
from .deployment import (
    Deployed,
    autoscaler,
    compose,
    deployment,
    inference_service,
    kustomization,
    monitor,
    service,
)
from .image_name import image_name

__all__ = ["run"]

_AGAIN = "Written by `publish kubernetes`, again for each version: change it by an overlay, not here."
#: What stands at the head of a file besides.
_HEADS = {
    "deployment.yaml": "The server, confined; `kubectl apply -k .` applies the files that kustomization.yaml lists.",
    "service.yaml": "One address in the cluster for all containers; the way there from outside is the cluster's own.",
    "autoscaler.yaml": "Needs the metrics of Prometheus in the API of the cluster (prometheus-adapter, for example). "
    "Where there is none, leave it out of kustomization.yaml.",
    "monitor.yaml": "Needs Prometheus Operator; add the labels that your Prometheus selects monitors by.",
    "kustomization.yaml": "kubectl apply -k .",
    "inferenceservice.yaml": "For KServe, in the place of all others: kubectl apply -f inferenceservice.yaml",
    "compose.yaml": "For one machine: docker compose up --detach",
}
#: A label of DNS that an object may have as its name, with room for what controllers put behind it.
_LONGEST = 50


def run(project: Project, folder: Path, to: str | None) -> dict[str, Any]:
    """Write the files into a folder.

    Parameters
    ----------
    project
        Whose image it is.
    folder
        Where to write; other files in it stay.
    to
        Name of the image without a tag, or with a digest: ``ada/top_tagger@sha256:...``.

    Returns
    -------
    result
        ``headline``, ``image``, and ``files``, by name the objects that they hold.

    Raises
    ------
    ConfigError
        If the name can't be one of an image, or the slug can't become a name in a cluster.
    """
    image = image_name(to, project, digest=True)
    name = _label(project.slug)
    known = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/version": re.sub(r"[^A-Za-z0-9._-]", "-", project.version)[:63].strip("-._"),
        "app.kubernetes.io/part-of": "fair-hep",
    }
    notes = {"fair-hep/title": project.title, "fair-hep/doi": project.doi, "fair-hep/version": project.version}
    served = Deployed(name, image, known, {key: value for key, value in notes.items() if value})
    plain = {
        "deployment.yaml": deployment(served),
        "service.yaml": service(served),
        "autoscaler.yaml": autoscaler(served),
        "monitor.yaml": monitor(served),
    }
    files = {
        **plain,
        "kustomization.yaml": kustomization(list(plain)),
        "inferenceservice.yaml": inference_service(served),
        "compose.yaml": compose(served),
    }
    for file, value in files.items():
        body = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110)
        write_text(folder / file, f"# {_AGAIN}\n# {_HEADS[file]}\n{body}")
    return {
        "headline": [
            f"{folder}: {', '.join(files)}; they run {image}",
            "next, in a cluster: kubectl apply --dry-run=server -k " + str(folder),
            "next, with KServe: kubectl apply --dry-run=server -f " + str(folder / "inferenceservice.yaml"),
            "next, on one machine: docker compose --file " + str(folder / "compose.yaml") + " up",
        ],
        "image": image,
        "files": files,
    }


def _label(slug: str) -> str:
    """Return the name of the objects: a slug in small letters, with hyphens."""
    found = slug.lower().replace("_", "-").strip("-")
    if len(found) > _LONGEST or re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", found) is None:
        raise ConfigError(
            f"slug: got {slug!r}, and a cluster names things by at most {_LONGEST} letters, digits and hyphens, "
            "beginning with a letter"
        )
    return found
