"""Environments of their own, for what pins other versions than ours: made once, below ``build/``, by who asks first.

The programs that run in them lie in ``elsewhere/`` beside this file, read JSON from standard input and print JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from support.needs import require
from support.template import ROOT

__all__ = ["ask", "environment"]

_PROGRAMS = Path(__file__).parent / "elsewhere"


@cache
def environment(name: str, packages: tuple[str, ...], *, beside: bool = False) -> Path:
    """Return the interpreter of an environment with some packages; skip where it can't be made.

    Parameters
    ----------
    name
        What it is for.
    packages
        As pip takes them.
    beside
        Whether what the tests run with is there too, where it fits: only the rest is installed.
    """
    from filelock import FileLock

    base = sysconfig.get_paths()["purelib"]
    parts = "\n".join((*packages, sys.version, *([base] if beside else [])))
    folder = ROOT / "build" / "environments" / f"{name}-{hashlib.sha256(parts.encode()).hexdigest()[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    found, made = folder / "bin" / "python", folder / ".made"
    with FileLock(folder.with_suffix(".lock")):
        if not made.is_file():
            _run(packages, sys.executable, "-m", "venv", "--clear", "--without-pip", folder)
            if beside:
                (own,) = folder.glob("lib/python*/site-packages")
                (own / "base.pth").write_text(f"{base}\n", encoding="utf-8")
            pip = (sys.executable, "-m", "pip", "--python", found, "install", "--quiet", "--no-input")
            _run(packages, *pip, *([] if beside else ["--no-compile"]), *packages)
            made.touch()
    return found


def _run(packages: Sequence[str], *command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"no environment with {', '.join(packages)}: {done.stderr[-300:]}")


def ask(
    python: Path,
    program: str,
    given: Any,
    *arguments: str | Path,
    timeout: float = 120,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Any:
    """Run one of the programs; return what it printed.

    Parameters
    ----------
    python
        Interpreter of the environment.
    program
        Name of its file, without the suffix.
    given
        What it reads.
    arguments
        Further ones.
    timeout
        Seconds.
    cwd, variables
        Where it runs, and what is set there besides.
    """
    done = subprocess.run(
        [python, "-P", _PROGRAMS / f"{program}.py", *arguments],
        input=json.dumps(given), capture_output=True, text=True, timeout=timeout, check=False, cwd=cwd,
        env={**os.environ, **(variables or {})},
    )  # fmt: skip
    assert done.returncode == 0, f"{program}: {done.stderr[-3000:]}"
    return json.loads(done.stdout)
