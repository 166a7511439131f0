"""Files that are either whole or not there: written under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import BundleError
from .replace import UNFINISHED, locked, put, remove, sweep, sync
from .text import parse_json

__all__ = ["new_file", "new_folder", "read_json", "sha256", "write_json", "write_text"]

log = logging.getLogger(__name__)


def sha256(path: Path) -> str:
    """Return the SHA-256 checksum of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; rename it to ``path`` at the end, remove it after an error.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> target = Path(mkdtemp()) / "scores.txt"
    >>> with new_file(target) as name:
    ...     _ = name.write_text("0.97")
    >>> target.read_text()
    '0.97'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix is kept at the end: savers such as numpy and matplotlib choose the format by it.
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        # A power cut leaves the old file or the new one, never an empty one under its name.
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty temporary folder; it takes the place of ``path`` at the end, or is removed after an error.

    The place is never empty where the file system can exchange two folders, and what is new is on the disk before it
    gets its name; see `fair_hep.bundle.replace`. What killed processes left is swept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in sweep(path):
        log.info("%s: left by a process that was stopped, removed", left)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", suffix=UNFINISHED, dir=path.parent))
    with locked(temporary):
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            for inside in (*temporary.rglob("*"), temporary):
                if not inside.is_symlink() and (inside.is_file() or inside.is_dir()):
                    sync(inside)
            put(temporary, path)
        finally:
            remove(temporary)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to a file in one step."""
    with new_file(path) as name:
        name.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON that a human can compare: sorted, indented, never NaN."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    BundleError
        If it isn't JSON.
    """
    try:
        return parse_json(path.read_bytes())
    except ValueError as error:
        raise BundleError(f"{path.name}: not JSON ({error}); make or fetch it again") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
