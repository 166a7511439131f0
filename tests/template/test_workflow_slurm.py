"""The workflow on a real Slurm, with the profile that the how-to shows."""

from __future__ import annotations

import pytest

from support.slurm import slurm
from support.template import Bake
from support.workflows import JOBS, slurm_profile, slurm_programs, stand_in, start

pytestmark = pytest.mark.slow

SLUG = "my_tagger"
SMALL = """\
resources:
  data: {threads: 1, mem_mb: 1}
  train: {threads: 2, mem_mb: 1}
"""


def test_jobs_of_slurm_without_accounting(bake: Bake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts side by side on two nodes; then a training that fails, and goes on at the next start."""
    folder = bake(model="custom", project_slug=SLUG)
    stand_in(folder, SLUG)
    slurm_profile(folder)
    (folder / "small.yaml").write_text(SMALL)
    options = ("--configfile", "workflow/config.yaml", "small.yaml", "--config", "parts=2", "divided=[data]")
    with slurm() as cluster:
        monkeypatch.setenv("PATH", f"{slurm_programs(cluster)}:{cluster.variables['PATH']}")
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
