"""How much memory this process may have: what the container, the shell or the machine allows."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

__all__ = ["allowed"]

#: Where control groups are, and which of them this process is in.
_GROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def allowed(groups: Path = _GROUPS, own: Path = _OWN) -> int:
    """Return the bytes that this process may have: the least of control groups, ``ulimit -v`` and the machine's memory.

    Parameters
    ----------
    groups, own
        Where the control groups are, and the file that says which of them this process is in.
    """
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        found.append(soft)
    texts = [path.read_text(encoding="ascii").strip() for path in _limits(groups, own) if path.is_file()]
    return min(found + [int(text) for text in texts if text.isdecimal()])


def _limits(groups: Path, own: Path) -> Iterator[Path]:
    """Give the files that may hold a limit: of version 2 those of the group and all above it, of version 1 one."""
    yield groups / "memory" / "memory.limit_in_bytes"
    lines = own.read_text(encoding="utf-8").splitlines() if own.is_file() else []
    name = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    place = groups / name
    for folder in (place, *place.parents):
        yield folder / "memory.max"
        if folder == groups:
            return
