"""The verb ``publish``: prepare the bundle for an archive, reserve a DOI, upload a draft, publish it, send copies.

Besides, it writes what others serve the bundle with: a model repository for Triton, files for a cluster.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from ..bundle import read_signature
from ..bundle.errors import BundleError, ConfigError
from ..bundle.files import sha256, write_text
from ..describe.software import carried
from ..describe.write import write_all
from ..provenance.configuration import Config
from ..provenance.project import Project
from ..publish import zenodo_steps as zenodo
from ..publish.archive import write_archive
from ..publish.credentials import token
from ..publish.doi import check_graphs
from ..publish.zenodo_steps import SANDBOX, TOKEN
from .verify import run as verify

__all__ = ["Target", "run"]

Target = Literal["prepare", "reserve", "zenodo", "dockerhub", "huggingface", "triton", "kubernetes"]


def run(
    project: Project,
    config: Config | None = None,
    *,
    target: Target = "prepare",
    url: str = SANDBOX,
    release: bool = False,
    to: str | None = None,
    send: bool = False,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Prepare the bundle in ``dist/``, and take it where it is wanted.

    Parameters
    ----------
    project, config
        Whose bundle it is; the configuration isn't needed.
    target
        ``prepare``: the archive and its metadata, nothing leaves the machine. ``reserve``: a draft and its DOI,
        before `export`. ``zenodo``: the draft with its files. ``dockerhub``, ``huggingface``: a copy of the image or
        the bundle. ``triton``: both graphs in a model repository. ``kubernetes``: files that run the image.
    url
        Address of the archive; by default Zenodo's sandbox.
    release
        Publish the draft that an earlier call uploaded, and do nothing else. This can't be undone.
    to
        Name of the image or of the repository, for the copies and for the files that run the image.
    send
        Send the copy; otherwise only say what would be sent.
    folder
        Where ``triton`` and ``kubernetes`` write.

    Raises
    ------
    BundleError
        If the bundle doesn't pass ``verify``.
    ConfigError
        If the folder is missing, or given where none is written.
    ServiceError
        If a service refuses or can't be reached, or there is no token.
    """
    if target in ("triton", "kubernetes"):
        return _written(project, target, folder, to)
    if folder is not None:
        raise ConfigError(
            f"publish {target}: got {str(folder)!r}, expected nothing behind {target}: it writes to dist/"
        )
    if release:
        return zenodo.release(project, url)
    if target == "reserve":
        return _reserve(project, url)
    if target in ("dockerhub", "huggingface"):
        return _copied(project, target, to, send=send)
    if target == "zenodo":
        token(TOKEN, url)  # what is missing is said before anything takes its time
    _check(project)
    if target == "prepare":
        return _prepare(project)
    project, draft = zenodo.reserve(project, url)
    check_graphs(project)
    prepared = _prepare(project)
    folder = project.root / "dist"
    paths = [project.root / prepared["archive"], folder / f"{_archive(project)}.sha256", project.bundle / "README.md"]
    found = zenodo.upload(project, url, draft, paths)
    return {**prepared, **found, "headline": [*prepared["headline"][:1], *found["headline"]]}


def _copied(project: Project, target: Target, to: str | None, *, send: bool) -> dict[str, Any]:
    """Say what copy would be sent to a hub, or send it."""
    from ..publish import dockerhub, huggingface

    if target == "dockerhub":
        return dockerhub.run(project, to, send=send)
    _check(project)
    return huggingface.run(project, to, send=send)


def _written(project: Project, target: Target, folder: Path | None, to: str | None) -> dict[str, Any]:
    """Write what others serve the bundle or its image with; nothing leaves the machine."""
    from ..publish import kubernetes, triton

    if folder is None:
        raise ConfigError(f"publish {target}: got no folder, expected one to write to, for example: {target} serving")
    if target == "kubernetes":
        return kubernetes.run(project, folder, to)
    _check(project)
    return triton.run(project.bundle, folder)


def _check(project: Project) -> None:
    """Refuse a bundle that isn't whole, gives other answers, or is of another version."""
    verify(project)
    exported = read_signature(project.bundle).version
    if exported != project.version:
        raise BundleError(
            f"{project.bundle.name} has version {exported}, project.yaml {project.version}: run `export` again"
        )


def _reserve(project: Project, url: str) -> dict[str, Any]:
    project, draft = zenodo.reserve(project, url)
    return {
        "headline": [
            f"draft {draft['id']}: {project.doi} is reserved, and written into project.yaml",
            "next: `export` puts it into the graphs and the card, `publish zenodo` uploads the bundle",
        ],
        "url": url,
        "draft": str(draft["id"]),
        "doi": project.doi,
    }


def _software(project: Project) -> str:
    """Say whether whoever has the record alone can run the model."""
    wheel = carried(project.bundle)
    if wheel is None:
        return "no wheel of fair-hep in vendor/ (it is installed in place here): the archive holds the model alone"
    return f"{wheel.relative_to(project.bundle).as_posix()}: travels with the bundle, to run it without an index"


def _archive(project: Project) -> str:
    return f"{project.slug}-{project.version}.zip"


def _prepare(project: Project) -> dict[str, Any]:
    """Write the archive and the metadata files."""
    folder = project.root / "dist"
    written = write_all(project, folder)
    archive = folder / _archive(project)
    write_archive(project.bundle, archive)
    checksum = sha256(archive)
    write_text(folder / f"{archive.name}.sha256", f"{checksum}  {archive.name}\n")
    size = archive.stat().st_size
    return {
        "headline": [
            f"{archive.relative_to(project.root)}: {size / 2**20:.1f} MiB, sha256 {checksum}",
            _software(project),
            f"beside it, from project.yaml: {', '.join(written)}; the first three belong into the repository",
            f"next: set {TOKEN} and run `publish zenodo`; it makes a draft in the sandbox that nobody else sees",
        ],
        "archive": str(archive.relative_to(project.root)),
        "sha256": checksum,
        "bytes": size,
    }
