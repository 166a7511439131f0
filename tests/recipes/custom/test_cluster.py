"""Training on a cluster: the how-to's file on a real Slurm of two nodes, and what happens to a job there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fair_hep.bundle.errors import ProjectError
from fair_hep.bundle.files import read_json
from fair_hep.project import train
from fair_hep.provenance.project import Project
from support.documents import DOCS, blocks, follow, statements
from support.slurm import NODES, Slurm, slurm, until
from support.small import OVERRIDES, PACKAGE, environment, make_config
from support.together import train_together

PAGE = (DOCS / "how-tos" / "train-on-a-cluster.md").read_text(encoding="utf-8")
#: Long enough to be stopped in the middle of an epoch of eight steps.
LONG = ("train.epochs=16", "train.checkpoint_steps=3", "train.threads=1")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Slurm]:
    with slurm() as made:
        yield made


@pytest.fixture
def nodes(cluster: Slurm, converted: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Give a project whose environment the nodes see; `_command` decides what the project's command does there."""
    project = converted
    for name, value in {**environment(project), **cluster.variables}.items():
        monkeypatch.setenv(name, value)
    (project.root / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
    (project.root / ".venv" / "bin" / "activate").write_text(f"PATH={project.root}/.venv/bin:$PATH\n")
    monkeypatch.setenv("PATH", str(project.root / ".venv" / "bin"), prepend=os.pathsep)
    return project


def _command(project: Project, name: str, script: str) -> None:
    path = project.root / ".venv" / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.slow
def test_the_page_starts_what_it_says(cluster: Slurm, nodes: Project) -> None:
    """With a command that only says where it is: two tasks on each of two nodes, and one job for each seed."""
    _command(nodes, PACKAGE, 'echo "$SLURM_PROCID of $SLURM_NTASKS on $SLURMD_NODENAME: $*"')
    _command(nodes, "torchrun", 'echo "$*"')
    follow(PAGE, nodes.root)
    until(lambda: not cluster.call("squeue", "--noheader"))
    first, *seeds = (sorted(path.read_text().splitlines()) for path in sorted(nodes.root.glob("train-*.log")))
    words = "train name=large train.threads=1"
    assert first == [f"{rank} of 4 on {NODES[rank // 2]}: {words}" for rank in range(4)]
    assert [re.sub(r" on \w+", "", line) for (line,) in seeds] == [
        f"0 of 1: train name=seed{seed} train.seed={seed}" for seed in (1, 2)
    ]


def _statement(beginning: str) -> str:
    (found,) = (one for block in blocks(PAGE) for one in statements(block.text) if one.startswith(beginning))
    return found


@pytest.mark.slow
def test_nothing_that_happens_to_a_job_changes_what_is_learned(cluster: Slurm, nodes: Project) -> None:
    """Its time is up, it is queued again, a task is killed, it is resumed: bit for bit the weights without all that.

    Those are of four processes that torchrun is said to have started: who starts them changes nothing either.
    """
    _command(nodes, PACKAGE, f'exec {sys.executable} -m fair_hep.cli "$@"')
    subprocess.run(["bash", "-c", _statement("cat >")], cwd=nodes.root, check=True)
    words = (*OVERRIDES, *LONG, "name=cluster")
    train_together(nodes.root, ["train", *words, "name=reference"], environment(nodes))
    folder = nodes.run("cluster", "train")
    checkpoint = folder / "checkpoints" / "last.ckpt"
    number = cluster.call("sbatch", "--parsable", "train.sbatch", *words, cwd=nodes.root)
    log = nodes.root / f"train-{number}.log"

    until(checkpoint.is_file)
    tasks = cluster.tasks(number)
    assert sorted(tasks) == [0, 1, 2, 3]
    _send(tasks, signal.SIGSTOP)
    with pytest.raises(ProjectError, match=rf"^runs/cluster: a training is at work there \(process {tasks[0]} on "):
        train.run(nodes, make_config(nodes, *words))
    # Slurm warns at the time that the file says, of a limit that is near now, and wakes who sleeps.
    cluster.call("scontrol", "update", f"jobid={number}", f"timelimit={_minutes(cluster, number) + 2}")
    until(lambda: cluster.job(number)["Restarts"] == "1")
    cluster.call("scontrol", "update", f"jobid={number}", "timelimit=240")
    said = [line for line in log.read_text().splitlines() if line.startswith("train: stopped by SIGUSR1; ")]
    assert len(said) == 1, "one process speaks for all"
    assert said[0].endswith(f"runs/cluster/train/checkpoints/last.ckpt); job {number} is queued again")

    kept = checkpoint.stat().st_mtime_ns
    until(lambda: checkpoint.stat().st_mtime_ns > kept)
    tasks = cluster.tasks(number)
    _send({3: tasks[3]}, signal.SIGKILL)
    assert cluster.ended(number)["JobState"] == "FAILED"
    until(lambda: not any(_alive(process) for process in tasks.values()), 20)  # none waits for the one that died
    assert not (folder / "provenance.json").exists()

    train_together(nodes.root, ["train", "--resume", *words], environment(nodes))
    one, other = (load_file(nodes.run(name, "train") / train.WEIGHTS) for name in ("reference", "cluster"))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    first, second = (read_json(nodes.run(name, "train") / "history.json") for name in ("reference", "cluster"))
    assert (second["processes"], first["resumed"], second["resumed"]) == (4, False, True)
    assert second["losses"] == first["losses"]


def _send(tasks: Mapping[int, int], number: signal.Signals) -> None:
    for process in tasks.values():
        os.kill(process, number)


def _minutes(cluster: Slurm, number: str) -> int:
    """Return for how many whole minutes a job has been running."""
    *hours, minutes, _ = (int(part) for part in cluster.job(number)["RunTime"].split(":"))
    return 60 * hours[0] + minutes


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
