"""How a training is shared out among processes: by `srun`, by `torchrun`, or by Lightning itself."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from ..bundle.errors import ConfigError
from ..provenance.configuration import Config

__all__ = ["Layout", "find_layout", "job", "restarts", "shared_out"]


class Layout(NamedTuple):
    """Who started this process, and what it is among the others.

    Parameters
    ----------
    launcher
        What starts the processes.
    nodes, devices
        Machines, and processes on each; None where the configuration says it.
    leader
        Whether this process writes the results.
    """

    launcher: Literal["lightning", "torchrun", "srun"]
    nodes: int | None
    devices: int | None
    leader: bool


def find_layout(environment: Mapping[str, str] = os.environ) -> Layout:
    """Find how this process was started, by its environment.

    An allocation of one task is no layout: that process may start others by itself (``train.devices``).

    Examples
    --------
    >>> find_layout({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"})
    Layout(launcher='torchrun', nodes=2, devices=2, leader=False)
    >>> tasks = {"SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_STEP_TASKS_PER_NODE": "2(x2)"}
    >>> find_layout({**tasks, "SLURM_PROCID": "0"})
    Layout(launcher='srun', nodes=2, devices=2, leader=True)
    >>> find_layout({})
    Layout(launcher='lightning', nodes=None, devices=None, leader=True)

    Raises
    ------
    ConfigError
        If the allocation has several tasks and this process is none of them, or nodes have unequal numbers of tasks.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        here = int(environment.get("LOCAL_WORLD_SIZE", "1"))
        return Layout("torchrun", int(environment["WORLD_SIZE"]) // here, here, environment["RANK"] == "0")
    started = [environment.get(name, "0") for name in ("LOCAL_RANK", "NODE_RANK")]  # by Lightning
    if "LOCAL_RANK" in environment or int(environment.get("SLURM_NTASKS", "1")) == 1:
        return Layout("lightning", None, None, started == ["0", "0"])
    if "SLURM_STEP_ID" not in environment:
        raise ConfigError(
            f"the allocation has {environment['SLURM_NTASKS']} tasks and this process is none of them: write `srun` "
            "before the command"
        )
    text = environment["SLURM_STEP_TASKS_PER_NODE"]
    counts = [(int(tasks), int(nodes or 1)) for tasks, nodes in re.findall(r"(\d+)(?:\(x(\d+)\))?", text)]
    if len({tasks for tasks, _ in counts}) > 1:
        raise ConfigError(f"srun: got {text} tasks on its nodes, expected the same on each: --ntasks-per-node=N")
    return Layout("srun", sum(nodes for _, nodes in counts), counts[0][0], environment["SLURM_PROCID"] == "0")


def shared_out(config: Config, layout: Layout) -> Config:
    """Return the configuration with ``train.nodes`` and ``train.devices`` of the launcher, if it knows them.

    Raises
    ------
    ConfigError
        If the configuration says something else.
    """
    train = config.train
    if layout.nodes is None or layout.devices is None:
        return config
    given: Mapping[str, Any] = {"devices": layout.devices, "nodes": layout.nodes}
    asked = {name: getattr(train, name) for name in given if name in train.model_fields_set}
    if any(asked[name] != given[name] for name in asked):
        said = ", ".join(f"train.{name}={value}" for name, value in asked.items())
        raise ConfigError(
            f"{said}: {layout.launcher} started {layout.devices} processes on each of {layout.nodes} nodes; leave "
            "train.devices and train.nodes out, they are taken from it"
        )
    return config.model_copy(update={"train": train.model_copy(update=given)})


def job(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the number by which Slurm knows the job of this process, None outside of it.

    Examples
    --------
    >>> job({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "9", "SLURM_ARRAY_TASK_ID": "2"})
    '9_2'
    """
    if "SLURM_ARRAY_JOB_ID" in environment:
        # The last one of an array has the number of the whole array.
        return f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
    return environment.get("SLURM_JOB_ID")


def restarts(environment: Mapping[str, str] = os.environ) -> int:
    """Return how often Slurm has started this job anew: after it was queued again, or lost a node."""
    return int(environment.get("SLURM_RESTART_COUNT", "0"))
