"""What operators run their own checks with, in an environment of its own: it pins another protobuf than ours.

The programs that run in it lie in ``elsewhere/`` beside this file, read JSON from standard input and print JSON.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from support.apart import environment

__all__ = ["ask", "python"]

#: Triton's client and its protobuf; the schemas of Kubernetes' own kinds.
PACKAGES = ("tritonclient[http,grpc]==2.73.0", "kubernetes-validate==1.37.0")
_PROGRAMS = Path(__file__).parent / "elsewhere"


def python() -> Path:
    """Return the interpreter of the environment; skip where it can't be made."""
    return environment("operators", PACKAGES)


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
