"""Snakemake, as a user starts it in a project: the newest, and the one that REANA pins; each in an environment of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from support.apart import environment

__all__ = ["JOBS", "pinned", "snakemake", "stand_in"]

#: Snakemake pins packaging below 26, and with it SQLAlchemy below 2.1; reana-client pins Snakemake 7.32.4.
SNAKEMAKE = ("snakemake==9.27.1", "snakemake-executor-plugin-slurm==2.8.0")
REANA = ("reana-client==0.9.6",)
#: Where what a job said waits, and its log.
JOBS = Path("runs", "quick", "workflow")
_STAND_IN = """\
#!/bin/sh
# What came in is kept; a file `fail-VERB` or `wait-VERB` makes the verb fail, or wait for its end.
echo "$@" >> calls.txt
if [ "$1" = train ]; then mkdir -p runs/quick/train/checkpoints && touch runs/quick/train/checkpoints/last.ckpt; fi
while [ -e "wait-$1" ]; do sleep 0.1; done
if [ -e "fail-$1" ]; then echo "error: the $1 is to fail" >&2; exit 1; fi
if [ "$1" = train ]; then touch runs/quick/train/provenance.json; fi
echo '{}'
"""


def snakemake(folder: Path, *options: str | Path) -> subprocess.Popen[str]:
    """Start Snakemake in a project; its outputs come together."""
    return _start(environment("snakemake", SNAKEMAKE), "snakemake", folder, *options)


def pinned(folder: Path, program: str, *options: str | Path) -> subprocess.Popen[str]:
    """Start a program of REANA's environment in a project: ``reana-client``, or the Snakemake that it pins."""
    return _start(environment("reana", REANA), program, folder, *options)


def _start(python: Path, program: str, folder: Path, *options: str | Path) -> subprocess.Popen[str]:
    variables = {"PATH": f"{python.parent}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(folder / ".cache")}
    return subprocess.Popen(
        [python.parent / program, *options], cwd=folder, env={**os.environ, **variables}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def stand_in(folder: Path, slug: str) -> None:
    """Put a command into a project that does nothing but note how it was called, in ``calls.txt``."""
    command = folder / ".venv" / "bin" / slug
    command.parent.mkdir(parents=True, exist_ok=True)
    command.write_text(_STAND_IN)
    command.chmod(0o755)
