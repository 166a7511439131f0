"""What an image says about itself: labels for its build, from ``project.yaml`` and git.

``python -m fair_hep.publish.image docker build --tag NAME .`` runs the command with these labels; no shell sees them,
so any text survives. ``make image`` calls it. What isn't known gets no label.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ..bundle import read_signature
from ..bundle.errors import BundleError, ProjectError
from ..describe.origin import origin
from ..provenance.git import git_commit
from ..provenance.project import Project, load_project

__all__ = ["PREFIX", "labels", "main"]

#: Namespace of the labels (annotations of the OCI image specification).
PREFIX = "org.opencontainers.image."


def labels(project: Project) -> dict[str, str]:
    """Return the labels of the image that serves a project's bundle.

    Raises
    ------
    MissingStepError
        If there is no bundle.
    BundleError
        If the bundle is one of another version than the project's.
    """
    exported = read_signature(project.bundle).version
    if exported != project.version:
        raise BundleError(
            f"{project.bundle.name} has version {exported}, project.yaml {project.version}: "
            "run `export` again, or unpack the bundle of this version"
        )
    # Examples are of the data that were used, whatever the project meant to use.
    licences = {**vars(project.licenses), "data": origin(project, project.bundle).license}
    known = {
        "title": project.title,
        "description": " ".join(project.description.split()),
        "version": project.version,
        # The image holds the code, the weights, and examples of the data.
        "licenses": " AND ".join(dict.fromkeys(filter(None, licences.values()))),
        "authors": "; ".join(author.name for author in project.authors),
        "documentation": f"https://doi.org/{project.doi}" if project.doi else None,
        "source": project.repository,
        "revision": git_commit(project.root),
    }
    return {PREFIX + name: value for name, value in known.items() if value}


def main(command: Sequence[str] | None = None) -> None:
    """Become the builder: its command, with the labels in front of the last word, which is the folder to build in."""
    words = list(sys.argv[1:] if command is None else command)
    if len(words) < 2:
        sys.exit("Error: image: got no command of a builder, expected for example: docker build --tag NAME .")
    try:
        options = [f"--label={name}={value}" for name, value in labels(load_project()).items()]
    except ProjectError as error:
        sys.exit(f"Error: {error}")
    try:
        os.execvp(words[0], [*words[:-1], *options, words[-1]])
    except OSError as error:
        sys.exit(f"Error: image: {words[0]} can't be run ({error.strerror}): install it, or name another one by ENGINE")


if __name__ == "__main__":
    main()
