"""Downloads that continue where they broke off, inside a large file too."""

from __future__ import annotations

import contextlib
import errno
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..bundle.errors import DataError
from ..bundle.http import CHUNK, host_of, readable
from .web import Client, InterruptedTransfer, Patience

if TYPE_CHECKING:
    import requests

__all__ = ["download", "writing"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def download(
    client: Client, url: str, part: Path, size: int, *, what: str, advance: Callable[[int], object],
    elsewhere: bool = False,
) -> bool:  # fmt: skip
    """Bring a file to its full size, beginning with what ``part`` holds already.

    Parameters
    ----------
    part
        The unfinished file; it stays after an error, and the next call continues it.
    size
        Bytes of the whole file.
    advance
        Told the number of new bytes (negative if some had to be dropped).
    elsewhere
        Whether the server may send us to another host.

    Returns
    -------
    bool
        Whether bytes of more than one transfer were put together.

    Raises
    ------
    DataError
        If the file can't be had, the server sends another number of bytes, or the disk is full.
    """
    with writing(part):
        part.touch()
    failures, pieced = 0, part.stat().st_size > 0
    while (have := part.stat().st_size) != size:
        if have > size:
            _drop(part, advance)
            continue
        pieced = pieced or have > 0
        try:
            _transfer(client, url, part, size, what=what, advance=advance, elsewhere=elsewhere)
        except InterruptedTransfer as problem:
            now = part.stat().st_size
            failures = 1 if now > have else failures + 1
            advice = f"{readable(now)} of {readable(size)} are kept; run the same command again, it continues there"
            client.wait(problem, failures, what, advice)
    return pieced


def _transfer(
    client: Client, url: str, part: Path, size: int, *, what: str, advance: Callable[[int], object], elsewhere: bool
) -> None:
    have = part.stat().st_size
    with client.get(url, what, {"Range": f"bytes={have}-"} if have else {}, elsewhere=elsewhere) as response:
        if have and not _continues(response, have, size):
            # Some servers ignore ranges: what follows is the file from its first byte.
            _drop(part, advance)
            if response.status_code != 200:
                raise InterruptedTransfer(f"{host_of(url)} can't continue after {have} bytes, so the file begins again")
            have = 0
        _check_length(response, size - have, what)
        with writing(part), part.open("ab") as stream:
            for chunk in _chunks(response, client.patience):
                have += len(chunk)
                if have > size:
                    raise DataError(_wrong_size(what, f"more than {size}", size))
                stream.write(chunk)
                stream.flush()
                advance(len(chunk))
    if have < size:
        raise InterruptedTransfer(f"{host_of(url)} ended after {have} of {size} bytes")


def _chunks(response: requests.Response, patience: Patience) -> Iterator[bytes]:
    """Give what comes, as it comes; stop where it comes too slowly.

    Only what is there already is waited for: a whole chunk may take hours, byte by byte.
    """
    begun, brought = time.monotonic(), 0
    while chunk := response.raw.read1(CHUNK):
        yield chunk
        brought += len(chunk)
        took = time.monotonic() - begun
        if took > patience.minute and brought < patience.slowest * took:
            raise DataError(
                f"{host_of(response.url)} sends {brought / took:.0f} bytes a second, which would take for ever; what "
                "came is kept: run the same command again, perhaps later"
            )


def _continues(response: requests.Response, have: int, size: int) -> bool:
    if response.status_code != 206:
        return False
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("content-range", "").strip())
    return found is not None and int(found[1]) == have and found[2] in (str(size), "*")


def _check_length(response: requests.Response, expected: int, what: str) -> None:
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length) != expected:
        raise DataError(_wrong_size(what, length, expected))


def _wrong_size(what: str, got: object, expected: int) -> str:
    return f"{what}: the server sends {got} bytes, expected {expected}; look at the record's page, or try again later"


def _drop(part: Path, advance: Callable[[int], object]) -> None:
    advance(-part.stat().st_size)
    with writing(part):
        part.write_bytes(b"")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of the file system into one line.

    Raises
    ------
    DataError
        If the disk is full, or the file can't be written.
    """
    import requests

    try:
        yield
    except requests.RequestException:
        raise  # an OSError by descent, but of the network
    except OSError as error:
        if error.errno in _FULL:
            raise DataError(
                f"{path}: the disk is full; free some space and run the same command again, it continues there"
            ) from error
        raise DataError(f"{path}: can't be written: {error.strerror or error}; choose a folder that can") from error
