"""One writer in a run folder: a lock that a process holds while it lives, and that nobody has to clear away.

``flock`` belongs to an open file, so the system lets go of it when a process dies, however it dies. Over NFS Linux
makes it a lock of bytes that the server keeps (since 2.6.12), so that it holds between nodes; the server lets go when
the lease of a dead node ends (NFS 4: 90 s). Lustre knows it where it is mounted with ``flock``. Where a file system
knows no locks, a line says so, and nothing is kept apart.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ..bundle.errors import ProjectError

__all__ = ["LOCK", "held"]

LOCK = ".lock"
#: What an attempt says if somebody else has the lock; everything else means that there can be none.
_TAKEN = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})
#: What this process holds: `run` holds what its `train` asks for again.
_HELD: set[Path] = set()

log = logging.getLogger(__name__)


@contextlib.contextmanager
def held(folder: Path, what: str) -> Iterator[None]:
    """Hold the folder of a run inside the block; it is made if it isn't there.

    Parameters
    ----------
    folder
        ``runs/<configuration>``.
    what
        Who holds it, for the line that others get.

    Raises
    ------
    ProjectError
        If another process holds it.
    """
    path = folder.resolve() / LOCK
    if path in _HELD or sys.platform == "win32":
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Over NFS only what is open for writing can be held alone.
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _take(handle, folder)
        said = {"what": what, "process": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%F %T")}
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{json.dumps(said)}\n".encode(), 0)
        _HELD.add(path)
        yield
    finally:
        _HELD.discard(path)
        os.close(handle)


def _take(handle: int, folder: Path) -> None:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _TAKEN:
            log.warning("%s: %s; see to it that no two trainings run there", folder, os.strerror(error.errno or 0))
            return
        raise ProjectError(
            f"runs/{folder.name}: {_holder(handle)}; wait for it, or give this one another name (name=...)"
        ) from error


def _holder(handle: int) -> str:
    """Say who holds it; who took it a moment ago may not have written yet."""
    try:
        said = json.loads(os.pread(handle, 1000, 0))
        return f"{said['what']} is at work there (process {said['process']} on {said['host']}, since {said['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process is at work there"
