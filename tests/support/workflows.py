"""Snakemake, as a user starts it in a project: a new one, and that of REANA; each in an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from support.documents import DOCS
from support.environments import environment
from support.slurm import Slurm

__all__ = ["JOBS", "REANA", "SNAKEMAKE", "slurm_profile", "slurm_programs", "snakemake", "stand_in", "start"]

#: Snakemake pins packaging below 26, and with it SQLAlchemy below 2.1; reana-client pins Snakemake 7.32.4.
SNAKEMAKE = ("snakemake[reports]==9.27.1", "snakemake-executor-plugin-slurm==2.8.0")
REANA = ("reana-client==0.9.6",)
#: Where what a job said waits, and its log.
JOBS = Path("runs", "quick", "workflow")
#: What the how-to can't know of this cluster: how it is called, and how small it is.
_HERE = {"slurm_partition: standard": "slurm_partition: tests"}
_STAND_IN = """\
#!/bin/sh
# What came in is kept; a file `fail-VERB` or `wait-VERB` makes the verb fail, or wait for its end.
echo "$@" >> calls.txt
echo "${SLURM_JOB_ID:-none}" >> jobs.txt
if [ "$1" = train ]; then mkdir -p runs/quick/train/checkpoints && touch runs/quick/train/checkpoints/last.ckpt; fi
while [ -e "wait-$1" ]; do sleep 0.1; done
if [ -e "fail-$1" ]; then echo "error: the $1 is to fail" >&2; exit 1; fi
if [ "$1" = train ]; then touch runs/quick/train/provenance.json; fi
echo '{}'
"""


def snakemake(folder: Path, *options: str | Path) -> subprocess.Popen[str]:
    """Start Snakemake in a project; its outputs come together."""
    return start(folder, "snakemake", *options)


def start(folder: Path, *command: str | Path, packages: tuple[str, ...] = SNAKEMAKE) -> subprocess.Popen[str]:
    """Start a command in a project as somebody who has Snakemake; their home is a folder of the project.

    Parameters
    ----------
    folder
        The project.
    command
        A program and its options.
    packages
        What is installed: `SNAKEMAKE` or `REANA`.
    """
    programs = environment("snakemake" if packages is SNAKEMAKE else "reana", packages).parent
    home = folder / "home"
    variables = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
    }
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def stand_in(folder: Path, slug: str) -> None:
    """Put a command into a project that does nothing but note how it was called, in ``calls.txt``."""
    command = folder / ".venv" / "bin" / slug
    command.parent.mkdir(parents=True, exist_ok=True)
    command.write_text(_STAND_IN)
    command.chmod(0o755)


def slurm_profile(folder: Path) -> None:
    """Write the profile of the how-to into the home of whoever starts Snakemake in a project."""
    page = (DOCS / "how-tos" / "run-on-a-cluster.md").read_text()
    found = re.search(r"^cat > ~/(\S+/slurm/config.yaml) <<'END'\n(.*?)^END$", page, re.MULTILINE | re.DOTALL)
    assert found
    path, text = folder / "home" / found[1], found[2]
    for theirs, ours in _HERE.items():
        assert theirs in text
        text = text.replace(theirs, ours)
    path.parent.mkdir(parents=True)
    path.write_text(text)


def slurm_programs(cluster: Slurm) -> Path:
    """Return a folder of Slurm's programs that know the cluster: Snakemake takes SLURM_CONF away from its jobs."""
    folder = cluster.folder / "programs"
    folder.mkdir()
    for name in ("sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun"):
        wrapper = folder / name
        configuration = cluster.variables["SLURM_CONF"]
        program = shutil.which(name, path=cluster.variables["PATH"])
        wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={configuration} exec {program} "$@"\n')
        wrapper.chmod(0o755)
    return folder
