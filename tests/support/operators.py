"""What operators run their own checks with, in an environment of its own: it pins another protobuf than ours.

Made once, below ``build/``, by the first test that asks; the programs that run in it lie in ``elsewhere/`` beside this
file, read JSON from standard input and print JSON.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from support.needs import require
from support.template import ROOT

__all__ = ["ask", "python"]

#: Triton's client and its protobuf; the schemas of Kubernetes' own kinds.
PACKAGES = ("tritonclient[http,grpc]==2.73.0", "kubernetes-validate==1.37.0")
_PROGRAMS = Path(__file__).parent / "elsewhere"


@cache
def python() -> Path:
    """Return the interpreter of the environment; skip where it can't be made."""
    from filelock import FileLock

    name = hashlib.sha256("\n".join((*PACKAGES, sys.version)).encode()).hexdigest()[:12]
    folder = ROOT / "build" / "environments" / f"operators-{name}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    found, made = folder / "bin" / "python", folder / ".made"
    with FileLock(folder.with_suffix(".lock")):
        if not made.is_file():
            _run(sys.executable, "-m", "venv", "--clear", "--without-pip", folder)
            pip = (sys.executable, "-m", "pip", "--python", found, "install", "--quiet", "--no-compile", "--no-input")
            _run(*pip, *PACKAGES)
            made.touch()
    return found


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"no environment with {', '.join(PACKAGES)}: {done.stderr[-300:]}")


def ask(program: str, given: Any, *arguments: str | Path, timeout: float = 120) -> Any:
    """Run one of the programs; return what it printed.

    Parameters
    ----------
    program
        Name of its file, without the suffix.
    given
        What it reads.
    arguments
        Further ones.
    timeout
        Seconds.
    """
    done = subprocess.run(
        [python(), "-P", _PROGRAMS / f"{program}.py", *arguments],
        input=json.dumps(given), capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{program}: {done.stderr[-3000:]}"
    return json.loads(done.stdout)
