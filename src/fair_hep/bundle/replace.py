"""How a new folder takes the place of an old one: in one step, safe on the disk, and nothing of killed processes stays.

Linux and macOS can exchange two folders in one step (``renameat2``, ``renamex_np``), so that there is no moment without
one. Where the file system can't (network file systems, other systems), the old folder is moved aside first: between two
renames there is none, and whoever is killed just then leaves both, whole, under hidden names.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["OLD", "UNFINISHED", "locked", "put", "remove", "sweep", "sync"]

#: What the hidden names beside a folder end with: what is being made, and what was moved aside.
UNFINISHED, OLD = ".part", ".old"
#: Seconds: who made a folder may need a moment to lock it.
_YOUNG = 60.0
#: The file system, or the kernel, can't exchange.
_UNABLE = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM})
_AT_FDCWD, _EXCHANGE, _SWAP = -100, 2, 2


def put(new: Path, path: Path) -> None:
    """Let a folder take the place of ``path``; what was there goes."""
    if not os.path.lexists(path):
        new.replace(path)
    elif exchanged(new, path):
        remove(new)
    else:
        old = new.with_name(new.name.removesuffix(UNFINISHED) + OLD)
        path.replace(old)
        try:
            new.replace(path)
        except OSError:
            old.replace(path)
            raise
        remove(old)
    sync(path.parent)


def exchanged(one: Path, other: Path) -> bool:
    """Exchange what two names stand for, in one step; False if this system or file system can't."""
    library: Any = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
    if sys.platform == "darwin" and hasattr(library, "renamex_np"):
        failed = library.renamex_np(os.fsencode(one), os.fsencode(other), _SWAP)
    elif hasattr(library, "renameat2"):
        failed = library.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE)
    else:
        return False
    if failed and (code := ctypes.get_errno()) not in _UNABLE:
        raise OSError(code, os.strerror(code), str(one), None, str(other))
    return not failed


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk: a power cut may else leave new names of empty files."""
    if os.name != "posix" and path.is_dir():
        return  # only files can be opened there
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNABLE:  # some file systems sync no folders
            raise
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, so that `sweep` of another process leaves it; the system lets go when a process dies."""
    handle = _lock(folder)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def sweep(path: Path) -> list[Path]:
    """Remove what killed processes left of a folder: hidden names of ours beside it that nobody holds.

    What was moved aside is kept while ``path`` isn't there: it may be the only copy.

    Returns
    -------
    removed
        What was there.
    """
    ours = re.compile(re.escape(f".{path.name}-") + rf"[a-z0-9_]{{8}}({re.escape(UNFINISHED)}|{re.escape(OLD)})")
    removed = []
    for left in [entry for entry in path.parent.iterdir() if ours.fullmatch(entry.name)]:
        if left.suffix == OLD and not path.exists():
            continue
        with contextlib.suppress(OSError):  # somebody else sweeps, too
            if time.time() - left.lstat().st_mtime < _YOUNG:
                continue
            if left.is_symlink() or not left.is_dir():
                left.unlink()
            elif (handle := _lock(left)) is not None:
                remove(left)
                os.close(handle)
            else:
                continue
            removed.append(left)
    return removed


def remove(path: Path) -> None:
    """Remove a folder, a file or a link, as far as that goes; nothing that is missing is an error."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _lock(folder: Path) -> int | None:
    """Return the handle by which a folder is held, to be closed; None if another process holds it, or nobody can."""
    if sys.platform == "win32":
        return None
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
