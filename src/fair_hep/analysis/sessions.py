"""One model for each process: what travels between processes says where a bundle lies, and never holds a session."""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

from ..bundle.errors import BundleError
from ..bundle.files import sha256
from ..bundle.folder import SUMS, check_files
from ..bundle.remote import is_doi
from ..bundle.runtime import LoadedModel, find_bundle

__all__ = ["Source", "opened"]

_lock = threading.Lock()
#: By process, since what a forked process inherits has lost its threads.
_open: dict[tuple[int, Source], LoadedModel] = {}


@dataclass(frozen=True)
class Source:
    """Where a bundle lies, how it runs, and which one it is.

    Parameters
    ----------
    place
        A folder that every process sees under this name, or a DOI.
    threads
        Threads of ONNX Runtime; 0: as many as there are cores.
    sums
        SHA-256 of the bundle's list of checksums.
    """

    place: str
    threads: int
    sums: str

    @classmethod
    def of(cls, place: str | Path, threads: int) -> tuple[Source, Path]:
        """Find a bundle; return it with its folder.

        Raises
        ------
        MissingStepError, DataError, BundleError
            As `load` does, and if the bundle has no list of checksums.
        """
        folder = find_bundle(place, threads=1)
        if folder.is_dir() and not (folder / SUMS).is_file():
            raise BundleError(f"{folder.name}/{SUMS} is missing: fetch or export the bundle again")
        sums = sha256(folder / SUMS) if folder.is_dir() else ""
        return cls(str(place) if is_doi(str(place)) else str(folder), threads, sums), folder


def opened(source: Source) -> LoadedModel:
    """Return the model of this process; the first call opens it, whichever thread calls.

    Raises
    ------
    DataError, BundleError
        If the bundle isn't to be had here, is damaged, or is another one than where the analysis began.
    """
    key = (os.getpid(), source)
    with _lock:
        if key not in _open:
            _open[key] = LoadedModel(_found(source), threads=source.threads)
        return _open[key]


def _found(source: Source) -> Path:
    folder = find_bundle(source.place, threads=1)
    if not (folder / SUMS).is_file():
        raise BundleError(
            f"{source.place}: no bundle on {socket.gethostname()}: put it where all workers see it, or use its DOI"
        )
    if (sums := sha256(folder / SUMS)) != source.sums:
        raise BundleError(
            f"{source.place}: another bundle on {socket.gethostname()} than where the analysis began "
            f"({SUMS} has SHA-256 {sums[:12]}, expected {source.sums[:12]}): make them the same"
        )
    check_files(folder)
    return folder
