"""What lies in a folder of fetched files: names that stay inside, checksums, the list that spares a second fetch."""

from __future__ import annotations

import hashlib
import logging
import re
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, ValidationError

from ..bundle.errors import DataError
from ..bundle.files import write_json
from ..bundle.text import parse_json

__all__ = ["ROOM", "Entry", "Manifest", "describe", "digests", "intact", "load_manifest", "safe_paths", "save_manifest"]

log = logging.getLogger(__name__)

ROOM = ".fetch"
_FILE = "manifest.json"
_BLOCK = 1024 * 1024


class Entry(BaseModel):
    """A verified file: the checksum of the record, our own, and how the file looked when both were computed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int
    checksum: str
    sha256: str
    modified: int


class Manifest(BaseModel):
    """Everything known of a folder: which record it comes from, which names the record has, and the files here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    doi: str
    record: int
    record_doi: str
    title: str | None
    license: str | None
    names: list[str]
    version: str | None = None
    page: str | None = None
    files: dict[str, Entry] = {}

    @property
    def address(self) -> str:
        """Where the record shows its files; who wrote no page down fetched from Zenodo (10.5072: its sandbox)."""
        if self.page is not None:
            return self.page
        host = "sandbox.zenodo.org" if self.record_doi.startswith("10.5072/") else "zenodo.org"
        return f"https://{host}/records/{self.record}/files"

    def with_file(self, name: str, entry: Entry) -> Manifest:
        """Return the manifest with one more file."""
        return self.model_copy(update={"files": {**self.files, name: entry}})


def load_manifest(folder: Path, doi: str) -> Manifest | None:
    """Return what is known of a folder; None if nothing is.

    Raises
    ------
    DataError
        If the folder holds the files of another DOI.
    """
    path = folder / ROOM / _FILE
    try:
        manifest = Manifest.model_validate(parse_json(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError):
        # Nothing is lost: files that are there are compared with the record again.
        log.warning("%s isn't readable; the files are compared with the record again", path)
        return None
    if manifest.doi.lower() != doi.lower():
        raise DataError(f"{folder}: holds files of DOI {manifest.doi}, not of {doi}; choose another folder")
    return manifest


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Write down what is known of a folder."""
    write_json(folder / ROOM / _FILE, manifest.model_dump(mode="json"))


def digests(path: Path, algorithm: str) -> tuple[str, str]:
    """Return a file's checksum by an algorithm, as a record writes it, and its SHA-256; the file is read once."""
    sha256 = hashlib.sha256()
    other = _Adler32() if algorithm == "adler32" else hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            sha256.update(block)
            other.update(block)
    return f"{algorithm}:{other.hexdigest()}", sha256.hexdigest()


class _Adler32:
    """Adler-32, as hashlib would have it."""

    def __init__(self) -> None:
        self._value = zlib.adler32(b"")

    def update(self, block: bytes) -> None:
        self._value = zlib.adler32(block, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


def describe(path: Path, checksum: str) -> Entry | None:
    """Return the entry of a file that has the checksum; None if it is missing or differs."""
    if not path.is_file():
        return None
    before = path.stat()
    found, sha256 = digests(path, checksum.partition(":")[0])
    if found != checksum:
        return None
    return Entry(size=before.st_size, checksum=checksum, sha256=sha256, modified=before.st_mtime_ns)


def intact(path: Path, entry: Entry) -> Entry | None:
    """Return the entry if the file is still what was verified, None if not.

    A file of the same size and time of change is taken at its word; otherwise it is read again.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    if status.st_size != entry.size:
        return None
    return entry if status.st_mtime_ns == entry.modified else describe(path, entry.checksum)


def safe_paths(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """Return where files with these names belong in a folder.

    Raises
    ------
    DataError
        If a name leaves the folder, hides in the folder's own room, or can't be a file name on every system.
    """
    paths: dict[str, Path] = {}
    taken: dict[str, str] = {}
    for name in names:
        parts = PurePosixPath(name).parts
        strange = re.search(r"[\x00-\x1f\x7f\\]|^[A-Za-z]:", name) or not parts or name.endswith("/")
        if strange or name.startswith("/") or ".." in parts or parts[0].lower() == ROOM:
            raise DataError(f"record: file name {name[:80]!r} leaves the folder or isn't one; don't trust the record")
        path = folder.joinpath(*parts)
        # A link that somebody put into the folder could still lead out of it.
        if not path.parent.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{path.parent}: leads out of {folder}; remove that link")
        same = taken.setdefault(str(path).casefold(), name)
        if name in paths or same != name:
            raise DataError(f"record: {name!r} and {same!r} are one file on some systems; choose one of them")
        paths[name] = path
    return paths
