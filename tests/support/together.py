"""Several processes that compute one thing, as `torchrun` starts them, without importing torch in each of them anew."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

from support.containers import free_port

__all__ = ["train_together"]

#: What every training imports: the server that processes are forked from does so once.
PRELOADED = [
    "fair_hep.cli.project",
    "fair_hep.project.training",
    "lightning.pytorch.loggers",
    "mlflow",
    "support.small",
]


def train_together(
    folder: Path, words: Sequence[str], environment: Mapping[str, str], *, nodes: int = 2, devices: int = 2
) -> None:
    """Run a command of a project in ``nodes`` times ``devices`` processes on this machine.

    Parameters
    ----------
    folder, words, environment
        The project's folder, the command, and what its processes see.
    nodes, devices
        Machines that they are told to be on, and processes on each.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    world, port = nodes * devices, free_port()
    shared = {
        **environment, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "tests",
        "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(devices), "GROUP_WORLD_SIZE": str(nodes),
    }  # fmt: skip
    places = [
        {"RANK": str(rank), "LOCAL_RANK": str(rank % devices), "GROUP_RANK": str(rank // devices)}
        for rank in range(world)
    ]
    started = [context.Process(target=_command, args=(folder, words, {**shared, **place})) for place in places]
    with mock.patch.dict(os.environ, environment):  # the server that starts now sees the same library
        for process in started:
            process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0] * world


def _command(folder: Path, words: Sequence[str], environment: Mapping[str, str]) -> None:
    from fair_hep.cli.project import main

    os.environ.clear()
    os.environ.update(environment)
    with contextlib.chdir(folder):
        main(words)
