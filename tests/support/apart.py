"""Environments of their own, for programs that pin other versions than ours; made once, below ``build/``."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import cache
from pathlib import Path

from support.needs import require
from support.template import ROOT

__all__ = ["environment"]


@cache
def environment(name: str, packages: tuple[str, ...]) -> Path:
    """Return the interpreter of an environment with these packages; skip where it can't be made."""
    from filelock import FileLock

    key = hashlib.sha256("\n".join((*packages, sys.version)).encode()).hexdigest()[:12]
    folder = ROOT / "build" / "environments" / f"{name}-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    found, made = folder / "bin" / "python", folder / ".made"
    with FileLock(folder.with_suffix(".lock")):
        if not made.is_file():
            _run(packages, sys.executable, "-m", "venv", "--clear", "--without-pip", folder)
            pip = (sys.executable, "-m", "pip", "--python", found, "install", "--quiet", "--no-compile", "--no-input")
            _run(packages, *pip, *packages)
            made.touch()
    return found


def _run(packages: tuple[str, ...], *command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"no environment with {', '.join(packages)}: {done.stderr[-300:]}")
