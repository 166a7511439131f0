"""The workflow on a real Slurm, with the profile that the how-to shows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from support.documents import DOCS
from support.slurm import Slurm, slurm
from support.template import Bake
from support.workflows import JOBS, stand_in, start

pytestmark = pytest.mark.slow

SLUG = "my_tagger"
#: What the how-to can't know of this cluster: how it is called, and how small it is.
HERE = {"slurm_partition: standard": "slurm_partition: tests"}
SMALL = """\
resources:
  data: {threads: 1, mem_mb: 1}
  train: {threads: 2, mem_mb: 1}
"""


def profile(folder: Path) -> None:
    """Write the profile of the how-to into the home of whoever starts Snakemake in a project."""
    page = (DOCS / "how-tos" / "run-on-a-cluster.md").read_text()
    found = re.search(r"^cat > ~/(\S+/slurm/config.yaml) <<'END'\n(.*?)^END$", page, re.MULTILINE | re.DOTALL)
    assert found
    path, text = folder / "home" / found[1], found[2]
    for theirs, ours in HERE.items():
        assert theirs in text
        text = text.replace(theirs, ours)
    path.parent.mkdir(parents=True)
    path.write_text(text)


def programs(cluster: Slurm) -> Path:
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


def test_jobs_of_slurm_without_accounting(bake: Bake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts side by side on two nodes; then a training that fails, and goes on at the next start."""
    folder = bake(model="custom", project_slug=SLUG)
    stand_in(folder, SLUG)
    profile(folder)
    (folder / "small.yaml").write_text(SMALL)
    options = ("--configfile", "workflow/config.yaml", "small.yaml", "--config", "parts=2", "divided=[data]")
    with slurm() as cluster:
        monkeypatch.setenv("PATH", f"{programs(cluster)}:{cluster.variables['PATH']}")
        (folder / "fail-train").touch()
        said, _ = (process := start(folder, "snakemake", "train", "--profile", "slurm", *options)).communicate()
        assert process.returncode == 1, said
        assert "Error in rule train" in said
        (folder / "fail-train").unlink()
        said, _ = (process := start(folder, "snakemake", "train", "--profile", "slurm", *options)).communicate()
        assert process.returncode == 0, said
    calls = [line.split(" --config ")[0] for line in (folder / "calls.txt").read_text().splitlines()]
    assert sorted(calls[:2]) == ["data --part 1/2", "data --part 2/2"]
    assert calls[2:] == ["data --join 2", "train", "train --resume"]
    jobs = (folder / "jobs.txt").read_text().split()
    assert len(set(jobs)) == len(calls)  # a job of Slurm for each
    assert (folder / JOBS / "train.json").is_file()
