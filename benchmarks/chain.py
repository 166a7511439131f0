"""The whole chain by ``run``, by Snakemake on this machine, and by Snakemake with a Slurm of two nodes, in seconds.

``python benchmarks/chain.py`` prints JSON: for each way seconds by the clock, and SHA-256 of the weights that it made,
which are the same. A new project each time, its quick configuration, the sample that ships with it. The two nodes of
Slurm are two daemons of this machine with half of its cores each, so it tells what starting and waiting cost there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cookiecutter.main import cookiecutter

from support.slurm import slurm
from support.template import ROOT, SLUGS
from support.workflows import slurm_profile, slurm_programs, start

_COMMAND = """\
#!/bin/sh
export PYTHONPATH={source}:{package} MKL_NUM_THREADS=$OMP_NUM_THREADS
exec {python} -P -m fair_hep.cli "$@"
"""
_SMALL = "resources:\n" + "".join(
    f"  {verb}: {{threads: {threads}, mem_mb: 1}}\n"
    for verb, threads in (
        ("data", 1), ("train", 2), ("evaluate", 1), ("explain", 1), ("export", 1), ("verify", 1), ("register", 1),
    )
)  # fmt: skip


def generate(model: str, place: Path) -> Path:
    """Generate a project whose command runs in this environment."""
    slug = SLUGS[model]
    answers = {"model": model, "project_slug": slug}
    folder = Path(
        cookiecutter(str(ROOT), no_input=True, default_config=True, extra_context=answers, output_dir=str(place))
    )
    command = folder / ".venv" / "bin" / slug
    command.parent.mkdir(parents=True)
    command.write_text(_COMMAND.format(source=ROOT / "src", package=folder / "src", python=sys.executable))
    command.chmod(0o755)
    (folder / "small.yaml").write_text(_SMALL)
    return folder


def by_run(folder: Path) -> subprocess.Popen[str]:
    """Start the verb `run`."""
    command = next((folder / ".venv" / "bin").iterdir())
    return subprocess.Popen([command, "run"], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def by_snakemake(folder: Path) -> subprocess.Popen[str]:
    """Start Snakemake on this machine."""
    return start(folder, "snakemake", "--cores", "2")


def by_slurm(folder: Path) -> subprocess.Popen[str]:
    """Start Snakemake that gives its jobs to Slurm."""
    slurm_profile(folder)
    return start(folder, "snakemake", "--profile", "slurm", "--configfile", "workflow/config.yaml", "small.yaml")


def timed(model: str, way: Callable[[Path], subprocess.Popen[str]]) -> dict[str, float | str]:
    """Return what one way took, and what it made."""
    with tempfile.TemporaryDirectory() as place:
        folder = generate(model, Path(place))
        begun = time.monotonic()
        process = way(folder)
        said, _ = process.communicate()
        seconds = round(time.monotonic() - begun, 1)
        if process.returncode:
            sys.exit(f"{way.__name__}: {said[-3000:]}")
        weights = folder / "bundle" / "weights.safetensors"
        return {"seconds": seconds, "weights": hashlib.sha256(weights.read_bytes()).hexdigest()}


def on_slurm(model: str) -> dict[str, float | str]:
    """Return the same of a Slurm that is started for it."""
    with slurm() as cluster:
        os.environ["PATH"] = f"{slurm_programs(cluster)}:{cluster.variables['PATH']}"
        return timed(model, by_slurm)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(SLUGS), default="particlenet")
    model = parser.parse_args().model
    found: dict[str, object] = {"load before": os.getloadavg()[0]}
    found |= {"run": timed(model, by_run), "snakemake": timed(model, by_snakemake), "slurm": on_slurm(model)}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
