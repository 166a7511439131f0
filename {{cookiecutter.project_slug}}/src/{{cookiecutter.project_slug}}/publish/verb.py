"""The verb ``publish``: prepare the bundle for an archive, upload it as a draft, publish the draft."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any, Literal

from ..bundle import read_signature
from ..config import Config
from ..errors import BundleError, MissingStepError, ServiceError
from ..files import read_json, sha256, write_json, write_text
from ..metadata import inveniordm, write_all
from ..project import Project
from ..verify.verb import run as verify
from .archive import write_archive

__all__ = ["PRODUCTION", "SANDBOX", "run"]

SANDBOX = "https://sandbox.zenodo.org"
PRODUCTION = "https://zenodo.org"
TOKEN = "ZENODO_TOKEN"
#: What the next call must know of a draft: where it is, and its number.
DRAFT = "draft.json"


def run(
    project: Project,
    config: Config | None = None,
    *,
    target: Literal["prepare", "zenodo"] = "prepare",
    url: str = SANDBOX,
    release: bool = False,
) -> dict[str, Any]:
    """Prepare the bundle in ``dist/``; with ``target="zenodo"`` also upload it as a draft.

    Parameters
    ----------
    project, config
        Whose bundle it is; the configuration isn't needed.
    target
        How far to go.
    url
        Address of the archive; by default Zenodo's sandbox.
    release
        Publish the draft that an earlier call uploaded, and do nothing else. This can't be undone.

    Raises
    ------
    BundleError
        If the bundle doesn't pass ``verify``.
    ServiceError
        If the archive refuses or can't be reached, or there is no token.
    """
    if release:
        return _release(project, url)
    prepared = _prepare(project)
    return prepared if target == "prepare" else {**prepared, **_upload(project, url, prepared)}


def _prepare(project: Project) -> dict[str, Any]:
    """Write the archive and the metadata files."""
    verify(project)
    exported = read_signature(project.bundle).version
    if exported != project.version:
        raise BundleError(
            f"{project.bundle.name} has version {exported}, project.yaml {project.version}: run `export` again"
        )
    folder = project.root / "dist"
    written = write_all(project, folder)
    archive = folder / f"{project.slug}-{project.version}.zip"
    write_archive(project.bundle, archive)
    checksum = sha256(archive)
    write_text(folder / f"{archive.name}.sha256", f"{checksum}  {archive.name}\n")
    size = archive.stat().st_size
    return {
        "headline": [
            f"{archive.relative_to(project.root)}: {size / 2**20:.1f} MiB, sha256 {checksum}",
            f"beside it, from project.yaml: {', '.join(written)}; the first three belong into the repository",
            f"next: set {TOKEN} and run `publish zenodo`; it makes a draft in the sandbox that nobody else sees",
        ],
        "archive": str(archive.relative_to(project.root)),
        "sha256": checksum,
        "bytes": size,
    }


def _upload(project: Project, url: str, prepared: dict[str, Any]) -> dict[str, Any]:
    """Create or continue a draft, and bring its files up to date."""
    from .deposit import Deposit

    deposit = Deposit(url, _token())
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    known = _known_draft(project, url)
    draft = deposit.draft(inveniordm(project, date), known["id"] if known else None)
    number, page = str(draft["id"]), draft.get("links", {}).get("self_html", url)
    # Written at once: whatever happens to the files, the next call goes on with this draft.
    write_json(_draft_file(project), {"url": url, "id": number})
    files = [project.root / prepared["archive"], project.bundle / "README.md"]
    sent = [path.name for path in files if deposit.upload(draft, path)]
    return {
        "headline": [
            *prepared["headline"][:1],
            f"draft {number}: {len(sent)} files sent, {len(files) - len(sent)} there already, all checksums compared",
            f"look at it: {page}",
            "next: `publish zenodo --release` publishes it, which can't be undone",
        ],
        "url": url,
        "draft": number,
        "page": page,
        "sent": sent,
    }


def _release(project: Project, url: str) -> dict[str, Any]:
    from .deposit import Deposit

    known = _known_draft(project, url)
    if known is None:
        raise MissingStepError(f"a draft in {url}", "publish zenodo")
    record = Deposit(url, _token()).publish(known["id"])
    doi = record.get("pids", {}).get("doi", {}).get("identifier")
    _draft_file(project).unlink()
    line = f"published: {doi or record.get('links', {}).get('self_html', known['id'])}"
    return {"headline": [line, "next: write the DOI into project.yaml"], "url": url, "record": known["id"], "doi": doi}


def _known_draft(project: Project, url: str) -> dict[str, Any] | None:
    """Return the draft that an earlier call made in this archive."""
    path = _draft_file(project)
    values: dict[str, Any] = read_json(path) if path.is_file() else {}
    return values if values.get("url") == url else None


def _draft_file(project: Project) -> Path:
    return project.root / "dist" / DRAFT


def _token() -> str:
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise ServiceError(
            f"{TOKEN} is not set: make a token with the right to deposit in your account there, and export it"
        )
    return token
