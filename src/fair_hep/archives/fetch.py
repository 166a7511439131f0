"""Fetch the files of a dataset by its DOI: only those needed, verified, and only once.

A folder of fetched files has a hidden room, ``.fetch``: a lock, the manifest of what was verified, and unfinished files
named after the checksum that they must reach. Everything outside that room is whole and verified.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..bundle.archive_record import Record, RecordFile, normalise
from ..bundle.errors import DataError
from ..bundle.http import readable
from . import find_record, token_for
from .choice import Choice, check_fetchable, chosen
from .manifest import ROOM, Entry, Manifest, describe, digests, intact, load_manifest, safe_paths, save_manifest
from .transfer import download, writing
from .web import Client, Patience

__all__ = ["Choice", "FetchResult", "FetchedFile", "Patience", "fetch"]

log = logging.getLogger(__name__)

_EVERYTHING = ("*",)
_RESERVE = 16 * 1024 * 1024


@dataclass(frozen=True)
class FetchedFile:
    """A verified file.

    Parameters
    ----------
    name
        Name in the record.
    path
        Where it lies.
    size
        Bytes.
    checksum
        As the record says it, for example ``md5:...``; the file has it.
    sha256
        SHA-256 of the file.
    """

    name: str
    path: Path
    size: int
    checksum: str
    sha256: str


@dataclass(frozen=True)
class FetchResult:
    """What was fetched, and from where.

    Parameters
    ----------
    doi
        The DOI that was asked for.
    record, record_doi
        Number and DOI of the record; a DOI that stands for all versions leads to the newest one.
    version
        Version of the record, where versions share a DOI or a number (Dataverse, figshare).
    title, license
        As the record says; None if it doesn't.
    files
        The chosen files, in the order chosen.
    downloaded
        Bytes that came over the network; 0 if all was there.
    """

    doi: str
    record: int
    record_doi: str
    title: str | None
    license: str | None
    files: tuple[FetchedFile, ...]
    downloaded: int
    version: str | None = None


def fetch(
    doi: str,
    folder: Path,
    *,
    choose: Choice = _EVERYTHING,
    progress: bool | None = None,
    patience: Patience | None = None,
) -> FetchResult:
    """Bring the chosen files of a record into a folder, each verified against the record's checksum.

    A second call finds everything there and needs no network. A call that was stopped, even by a power cut, continues
    inside the file that it was at. Two calls on one folder wait for each other. ``ZENODO_TOKEN`` in the environment
    opens restricted records of Zenodo; ``HTTPS_PROXY`` and ``SSL_CERT_FILE`` are honoured.

    Parameters
    ----------
    doi
        DOI of a record of Zenodo, CERN Open Data, figshare or a Dataverse, best of one version; a 10.5072 one is
        looked up in Zenodo's sandbox.
    folder
        Where the files go; one folder for each DOI.
    choose
        Globs, of which each must match; or a function from the names in the record to those wanted.
    progress
        Whether to draw a progress bar on standard error; None: only on a terminal.
    patience
        How long to put up with the server.

    Raises
    ------
    DataError
        If the files can't be had, differ from the record, don't fit on the disk, or would leave the folder. Finished
        files stay; an unfinished one stays in ``.fetch`` and is continued by the next call.

    Examples
    --------
    One of the three files of the Top Tagging Reference Dataset::

        fetch("10.5281/zenodo.2603256", Path("data/raw/top"), choose=["test.h5"])
    """
    doi, folder = normalise(doi), Path(folder)
    token = token_for(doi)
    with _locked(folder):
        manifest = load_manifest(folder, doi)
        if manifest and (known := _all_there(folder, manifest, choose)):
            return _result(known, folder, chosen(known.names, choose), 0)
        with Client(token, patience) as client:
            log.info("asking for the record of DOI %s", doi)
            record = find_record(client, doi, direct=token is not None)
            names = chosen([file.key for file in record.files], choose)
            check_fetchable(record.files, names)
            paths = safe_paths(folder, names)
            manifest, missing = _adopted(folder, _begun(doi, record, manifest), record, paths)
            _check_space(folder, missing)
            with _meter(folder, doi, missing, progress) as meter:
                for file in missing:
                    entry = _fetch_file(client, file, _part(folder, file), paths[file.key], meter)
                    manifest = manifest.with_file(file.key, entry)
                    save_manifest(folder, manifest)
    return _result(manifest, folder, names, meter.received)


class _Meter:
    """Counts bytes that came over the network, and moves the progress bar."""

    def __init__(self, move: Callable[[int], object]) -> None:
        self.received = 0
        self._move = move

    def __call__(self, size: int) -> None:
        self.received += max(size, 0)
        self._move(size)


@contextlib.contextmanager
def _meter(folder: Path, doi: str, missing: Sequence[RecordFile], progress: bool | None) -> Iterator[_Meter]:
    from tqdm import tqdm

    total = sum(file.size for file in missing)
    # tqdm takes None for: only if standard error is a terminal.
    hidden = None if progress is None and missing else not progress or not missing
    with tqdm(
        total=total, initial=total - _to_come(folder, missing), disable=hidden, desc=doi, unit="B", unit_scale=True
    ) as bar:
        yield _Meter(bar.update)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder for one call; the system lets go when a process dies, however it does."""
    from filelock import FileLock, Timeout

    room = folder / ROOM
    with writing(room):
        room.mkdir(parents=True, exist_ok=True)
        lock = FileLock(room / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.warning("%s: another process fetches into it, waiting", folder)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _all_there(folder: Path, manifest: Manifest, choose: Choice) -> Manifest | None:
    """Return the manifest if every chosen file is there and unchanged, None if not."""
    checked = manifest
    for name, path in safe_paths(folder, chosen(manifest.names, choose)).items():
        entry = manifest.files.get(name)
        found = intact(path, entry) if entry else None
        if found is None:
            return None
        checked = checked.with_file(name, found)
    if checked != manifest:
        save_manifest(folder, checked)
    return checked


def _begun(doi: str, record: Record, manifest: Manifest | None) -> Manifest:
    """Return the manifest to go on with: the one at hand if it is of the same record, else a new one."""
    found = (record.number, record.doi, record.version)
    if manifest is not None and (manifest.record, manifest.record_doi, manifest.version) == found:
        return manifest
    if record.doi.lower() != doi.lower():
        log.warning("DOI %s stands for all versions: fetching %s; name that one to stay with it", doi, record.doi)
    names = [file.key for file in record.files]
    return Manifest(
        doi=doi, record=record.number, record_doi=record.doi, title=record.title, license=record.license, names=names,
        version=record.version, page=record.page,
    )  # fmt: skip


def _adopted(
    folder: Path, manifest: Manifest, record: Record, paths: Mapping[str, Path]
) -> tuple[Manifest, list[RecordFile]]:
    """Take up the chosen files that are there already; return the manifest with them, and the files to fetch."""
    files = {file.key: file for file in record.files}
    missing = []
    for name, path in paths.items():
        entry = describe(path, files[name].checksum)
        if entry is None:
            if path.exists():
                log.warning("%s isn't what the record says: fetching it again", path)
            missing.append(files[name])
        else:
            manifest = manifest.with_file(name, entry)
    save_manifest(folder, manifest)
    return manifest, missing


def _part(folder: Path, file: RecordFile) -> Path:
    """Return the name of the unfinished file: it follows from the content, so two versions never mix."""
    name = file.checksum.replace(":", "-")
    if name.startswith("adler32"):
        # 32 bits don't tell all files apart.
        name += f"-{hashlib.sha256(file.link.encode()).hexdigest()[:16]}"
    return folder / ROOM / f"{name}.part"


def _to_come(folder: Path, files: Sequence[RecordFile]) -> int:
    parts = ((file.size, _part(folder, file)) for file in files)
    return sum(max(0, size - (part.stat().st_size if part.exists() else 0)) for size, part in parts)


def _check_space(folder: Path, missing: Sequence[RecordFile]) -> None:
    needed, free = _to_come(folder, missing), shutil.disk_usage(folder).free
    if needed > max(0, free - _RESERVE):
        raise DataError(
            f"{folder}: {readable(needed)} to fetch, but only {readable(free)} are free; "
            "free some space, choose fewer files or another disk"
        )


def _fetch_file(client: Client, file: RecordFile, part: Path, path: Path, meter: _Meter) -> Entry:
    """Transfer one file, verify it and put it in its place."""
    algorithm = file.checksum.partition(":")[0]
    while True:
        pieced = download(client, file.link, part, file.size, what=file.key, advance=meter, elsewhere=file.elsewhere)
        checksum, sha256 = digests(part, algorithm)
        if checksum == file.checksum:
            break
        part.unlink()
        if not pieced:
            raise DataError(
                f"{file.key}: got {checksum}, the record says {file.checksum}; what came was thrown away, "
                "run the same command again, and tell the record's authors if it stays so"
            )
        # One of the pieces may be from before a crash: what comes in one transfer is judged finally.
        log.warning("%s: the pieces of several transfers don't match the checksum: fetching it in one", file.key)
        meter(-file.size)
    with writing(path):
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)
        status = path.stat()
    return Entry(size=status.st_size, checksum=checksum, sha256=sha256, modified=status.st_mtime_ns)


def _result(manifest: Manifest, folder: Path, names: Sequence[str], downloaded: int) -> FetchResult:
    files = tuple(
        FetchedFile(name, folder / name, entry.size, entry.checksum, entry.sha256)
        for name in names
        if (entry := manifest.files[name])
    )
    return FetchResult(
        doi=manifest.doi, record=manifest.record, record_doi=manifest.record_doi, title=manifest.title,
        license=manifest.license, files=files, downloaded=downloaded, version=manifest.version,
    )  # fmt: skip
