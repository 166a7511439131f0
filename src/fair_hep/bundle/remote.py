"""A published model by its DOI: from a record of Zenodo to a verified bundle in the cache, with the standard library.

What comes over the network is hostile until it is checked: sizes and checksums of the record, names and sizes inside
the archive, the checksums of the bundle, and the stored answers. Only a bundle that passes all of it gets its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from .archive_record import Record, RecordFile, normalise
from .deadline import within
from .errors import BundleError, DataError
from .files import new_folder, sha256
from .folder import SUMS, check_files
from .http import CHUNK, readable, retry_after
from .text import parse_json
from .unpack import unpack
from .zenodo_record import number_of, read_record

__all__ = ["cache", "fetch_bundle", "is_doi"]

log = logging.getLogger(__name__)

_TIMEOUT = 30.0
#: Seconds until the head of an answer must be there, and the whole of a description: a byte now and then is no silence.
_ANSWER = 120.0
#: Bytes a second that a file must bring on average, after a minute.
_MINUTE, _SLOWEST = 60.0, 5_000.0
_TRIES = 5
_LONGEST_WAIT = 90.0
_LARGEST_JSON = 16 * 2**20
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


def is_doi(place: str) -> bool:
    """Tell whether somebody means a DOI, not a folder.

    Examples
    --------
    >>> is_doi("10.5281/zenodo.123"), is_doi("https://doi.org/10.5281/zenodo.123"), is_doi("bundle")
    (True, True, False)
    """
    return re.match(r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?10\.\d{4,9}/", place.strip(), re.IGNORECASE) is not None


def cache() -> Path:
    """Return the folder where fetched models are kept: ``$XDG_CACHE_HOME`` or ``~/.cache``, and there ``fair-hep``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return home / "fair-hep"


def fetch_bundle(doi: str, check: Callable[[Path], object]) -> Path:
    """Return the folder of a published bundle; fetch it if it isn't there.

    Parameters
    ----------
    doi
        DOI of one version of a record of Zenodo, or of all its versions, which means the newest and asks the network.
    check
        Tries the bundle before it gets its name, and raises if it isn't what it should be.

    Raises
    ------
    DataError
        If the record can't be had, isn't what the DOI names, holds no bundle, or its archive can't be trusted.
    BundleError
        If a file of the bundle differs from its checksum, or the model gives other answers.
    """
    doi = normalise(doi)
    if known := _kept(doi):
        return known
    reader = _Reader()
    record = read_record(reader, doi, number_of(doi))
    if known := _kept(record.doi):
        return known
    file, sums = _archive_of(record)
    folder = _folder(record.doi)
    part = folder.with_name(f"{folder.name}.{file.checksum.replace(':', '-')}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    with _alone(part.with_name(f".{folder.name}.lock")):
        if known := _kept(record.doi):
            return known
        log.info("fetching %s (%s) of %s", file.key, readable(file.size), record.doi)
        reader.download(file, part)
        _compare(part, file, reader.read_text(sums.link, sums.key) if sums else None)
        with new_folder(folder) as temporary:
            unpack(part, temporary)
            check_files(temporary)
            check(temporary)
        part.unlink()
    return folder


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one process at a time fetch a model: the others wait and find it. The system lets go when a process dies."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with lock.open("w") as handle:
        # A file system without locks: where two fetch into one file, its checksum says so.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _folder(doi: str) -> Path:
    return cache() / re.sub(r"[^A-Za-z0-9._-]", "_", doi.lower())


def _kept(doi: str) -> Path | None:
    """Return what an earlier call fetched, if nothing in it changed."""
    folder = _folder(doi)
    if not (folder / SUMS).is_file():
        return None
    try:
        check_files(folder)
    except BundleError as error:
        log.warning("%s: %s; fetching it again", folder, error)
        return None
    return folder


def _archive_of(record: Record) -> tuple[RecordFile, RecordFile | None]:
    """Find the one archive of a record, and the file with its SHA-256 checksum."""
    archives = [file for file in record.files if file.key.lower().endswith(".zip")]
    if len(archives) != 1:
        found = ", ".join(file.key for file in record.files)
        raise DataError(f"DOI {record.doi}: expected one .zip with a bundle, got: {found[:200]}; is it a model?")
    (archive,) = archives
    return archive, next((file for file in record.files if file.key == f"{archive.key}.sha256"), None)


def _compare(path: Path, file: RecordFile, sums: str | None) -> None:
    """Compare a fetched archive with what the record says of it; drop it if it differs."""
    algorithm, _, wanted = file.checksum.partition(":")
    with path.open("rb") as stream:
        got = hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    said = (sums.split() or [""])[0] if sums is not None else None
    if got == wanted and said in (None, sha256(path)):
        return
    path.unlink()
    raise DataError(
        f"{file.key}: its checksum isn't what the record says ({algorithm} {got}, expected {wanted}); "
        "what came was thrown away, load it again, and tell the record's authors if it stays so"
    )


class _Reader:
    """Reads from one archive with the standard library; honours ``HTTPS_PROXY``, ``NO_PROXY`` and ``SSL_CERT_FILE``."""

    def __init__(self) -> None:
        context = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        self._opener = urllib.request.build_opener(context, _SameHost())

    def read_json(self, url: str, what: str) -> Any:
        """Return the JSON at an address."""
        text = self.read_text(url, what)
        try:
            return parse_json(text)
        except ValueError as error:
            start = " ".join(text[:40].split())
            raise DataError(f"{what}: {_host(url)} answered {start!r}, expected JSON; try again later") from error

    def read_text(self, url: str, what: str) -> str:
        """Return the text at an address."""
        content = bytearray()

        def take(stream: Any) -> None:
            content[:] = stream.read(_LARGEST_JSON + 1)

        def attempt() -> None:
            accepted = {"Accept": "application/json, text/plain;q=0.9, */*;q=0.8"}
            within(_ANSWER, lambda: self._open(url, take, accepted), _host(url))

        self._again(attempt, url, what)
        if len(content) > _LARGEST_JSON:
            raise DataError(f"{what}: the answer is larger than {readable(_LARGEST_JSON)}, expected a description")
        return content.decode("utf-8", "replace")

    def download(self, file: RecordFile, part: Path) -> None:
        """Bring a file to its full size, beginning with what is there already."""
        part.touch()
        if part.stat().st_size > file.size:
            part.write_bytes(b"")

        def take(stream: Any) -> None:
            if part.stat().st_size and not _continues(stream, part.stat().st_size):
                part.write_bytes(b"")
            begun, brought = time.monotonic(), 0
            with part.open("ab") as into:
                # What is there already, since a whole chunk may take hours, byte by byte.
                while chunk := stream.read1(CHUNK):
                    brought += len(chunk)
                    took = time.monotonic() - begun
                    if took > _MINUTE and brought < _SLOWEST * took:
                        raise DataError(
                            f"{file.key}: {_host(file.link)} sends {brought / took:.0f} bytes a second, which would "
                            "take for ever; what came is kept, load it again, perhaps later"
                        )
                    if into.tell() + len(chunk) > file.size:
                        raise DataError(f"{file.key}: more bytes than the record says ({file.size}); don't trust it")
                    into.write(chunk)
            if (have := part.stat().st_size) < file.size:
                raise HTTPException(f"{_host(file.link)} ended after {have} of {file.size} bytes")

        def attempt() -> None:
            have = part.stat().st_size
            if have < file.size:
                self._open(file.link, take, {"Range": f"bytes={have}-"} if have else {})

        self._again(attempt, file.link, file.key)

    def _open(self, url: str, take: Callable[[Any], None], headers: dict[str, str]) -> None:
        request = urllib.request.Request(url, headers={"Accept-Encoding": "identity", **headers})
        stream = within(_ANSWER, lambda: self._opener.open(request, timeout=_TIMEOUT), _host(url))
        with stream:
            take(stream)

    def _again(self, attempt: Callable[[], None], url: str, what: str) -> None:
        """Try, and try again if that may help."""
        for number in range(1, _TRIES + 1):
            wait = 2.0 ** (number - 1)
            try:
                return attempt()
            except urllib.error.HTTPError as error:
                problem = f"{_host(url)} answered {error.code}"
                if error.code not in _PASSING:
                    raise DataError(f"{what}: {problem}: {_meaning(error.code)}") from None
                wait = max(wait, retry_after(error.headers.get("Retry-After")) or 0.0)
            except (OSError, HTTPException) as error:
                reason = getattr(error, "reason", error)
                if isinstance(reason, ssl.SSLCertVerificationError):
                    line = f"{what}: the certificate of {_host(url)} isn't trusted; behind a proxy, set SSL_CERT_FILE"
                    raise DataError(line) from error
                problem = f"no whole answer from {_host(url)} ({_told(reason)})"
            if number == _TRIES or wait > _LONGEST_WAIT:
                break
            log.info("%s: %s; trying again in %.0f s", what, problem, wait)
            time.sleep(wait)
        raise DataError(f"{what}: {problem}; check the network, load it again, it continues where it was")


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows redirects within one host only: a record's files lie where the record does."""

    def redirect_request(  # noqa: PLR0917 (the signature of the standard library)
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Follow, or refuse in one line."""
        target = urljoin(req.full_url, newurl)
        if urlsplit(target)[:2] != urlsplit(req.full_url)[:2]:
            raise DataError(f"{_host(req.full_url)} redirects to {_host(target)}, which isn't followed; don't trust it")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _continues(stream: Any, have: int) -> bool:
    found = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", (stream.headers.get("Content-Range") or "").strip())
    return stream.status == 206 and found is not None and int(found[1]) == have


def _meaning(status: int) -> str:
    return {
        403: "the record is restricted, or this address is blocked for a while",
        404: "it doesn't exist; check the DOI",
        410: "it was withdrawn; look at the record's page",
    }.get(status, "expected 200; try again later")


def _told(reason: object) -> str:
    """Return what went wrong; the words of other libraries may hold a proxy's password."""
    return str(reason) if isinstance(reason, TimeoutError) and "wasn't done" in str(reason) else type(reason).__name__


def _host(url: str) -> str:
    return urlsplit(url).hostname or "?"
