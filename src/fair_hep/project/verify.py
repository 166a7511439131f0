"""The verb ``verify``: check that the bundle is whole, and that every face of it gives the stored answers."""

from __future__ import annotations

import logging
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import bundle
from ..bundle.errors import BundleError, ProjectError
from ..bundle.files import write_text
from ..bundle.stored import Comparison, Stored, compare, complaint, table
from ..export.faces import Face, faces
from ..models.recipe import recipe
from ..provenance.configuration import Config
from ..provenance.project import Project

__all__ = ["run"]

log = logging.getLogger(__name__)


def run(
    project: Project, config: Config | None = None, *, url: str | None = None, image: str | None = None
) -> dict[str, Any]:
    """Check every file of the bundle against its checksum, and every face against the stored answers.

    Nothing in the bundle is changed. What a failing face produced is kept in ``runs/verify/``.

    Parameters
    ----------
    project, config
        Whose bundle it is; the configuration isn't needed.
    url
        Address of a running server to ask: ours, or ``mlflow models serve``.
    image
        Name of an image to start, ask and stop, by the engine that ``ENGINE`` names (else docker, else podman).

    Raises
    ------
    BundleError
        If a file is changed, missing or not listed, or a face gives other answers; all faces are tried first.
    """
    files = bundle.check_files(project.bundle)
    stored = Stored.read(project.bundle)
    kept = project.root / "runs" / "verify"
    shutil.rmtree(kept, ignore_errors=True)
    checks: list[Comparison] = []
    absent: dict[str, str] = {}
    for face in faces(recipe(project) if stored.signature.trainable else None, url, image):
        if face.absent:
            absent[face.name] = face.absent
        else:
            checks += _tried(face, stored, kept)
    lines = [
        f"{files} files have their checksums",
        *table(checks),
        *(f"{name}: {why}" for name, why in absent.items()),
        *([] if stored.signature.explainable else [f"no explanation: {bundle.UNEXPLAINED}"]),
    ]
    if line := complaint(checks):
        for row in lines:
            log.error("%s", row)
        given = any(check.answered for check in checks if not check.passed)
        raise BundleError(line + f"; what it gave is in {kept.relative_to(project.root)}" * given)
    return {"headline": lines, "files": files, "checks": [asdict(check) for check in checks], "not_asked": absent}


def _tried(face: Face, stored: Stored, kept: Path) -> list[Comparison]:
    """Ask one face; an error of its own is a failed check, so that the other faces are tried too."""
    file = kept / face.name.lower().replace(" ", "-")
    try:
        given = face.answer(stored)
    except ProjectError as error:
        log.error("%s: %s", face.name, error)
        write_text(file.with_suffix(".txt"), f"{error}\n")
        tolerance, reason = stored.examples.tolerance, str(error)
        return [Comparison(face.name, "all", 0, None, tolerance, 0, passed=False, reason=reason, answered=False)]
    checks = compare(face.name, given, stored)
    if not all(check.passed for check in checks):
        bundle.write_arrays(file.with_suffix(".npz"), given)
    return checks
