"""How a training hears that it must stop, and what it does then: finish the step, keep all of it, queue itself again.

Lightning saves inside the signal's handler, in the middle of a step, and lets every process begin a collective call
there, whatever call it is in. Here a handler notes the signal and nothing else. At the end of a step the processes
agree whether any of them was told, and stop at the same one.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ..bundle.errors import ProjectError

__all__ = ["Heard", "LastCheckpoint", "Stop", "queue_again"]

#: The end is near, and the job may be queued again: SIGUSR1 (``sbatch --signal=USR1@SECONDS``); stop: SIGTERM.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGUSR1", "SIGTERM") if hasattr(signal, name))

log = logging.getLogger(__name__)


class Stop(SIGTERMException):
    """A training stops after a step that it has kept.

    Parameters
    ----------
    number
        The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = signal.Signals(number)


class Heard:
    """The signal that this process was sent, 0 if there was none."""

    def __init__(self) -> None:
        self.number = 0

    def _note(self, number: int, _: FrameType | None) -> None:
        self.number = max(number, self.number)

    def listen(self) -> None:
        """Note signals from now on; a thread of a program of somebody's own hears none."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._note)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Note the signal of a scheduler inside the block, SIGTERM from the first step on."""
        if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGUSR1"):
            yield
            return
        before = signal.signal(signal.SIGUSR1, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGUSR1, before)


class LastCheckpoint(Checkpoint):
    """The last checkpoint; a training that was told to stop writes it at the end of the step, and stops.

    None is written between the last step of an epoch and the end of its validation: a training that goes on from there
    would leave that validation out, and with it perhaps the best weights.

    Parameters
    ----------
    path
        Its file.
    steps
        Steps between two of them; 0: one at the end of every epoch, which there always is.
    heard
        What this process was told.
    """

    def __init__(self, path: Path, steps: int, heard: Heard) -> None:
        self._path, self._steps, self._heard = path, steps, heard

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen in place of Lightning, and see that all processes begin with the same step.

        Raises
        ------
        ProjectError
            If they don't: a node doesn't see the files of the others, or not yet.
        """
        self._heard.listen()
        if -_most(trainer, -trainer.global_step) != _most(trainer, trainer.global_step):
            raise ProjectError(
                f"{self._path}: the processes began with different checkpoints (step {trainer.global_step} here); "
                "nodes must share a file system"
            )

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Write it, if it's time, and stop, if that was asked for."""
        if trainer.is_last_batch:
            return
        number = _most(trainer, self._heard.number)
        if number or (self._steps and trainer.global_step % self._steps == 0):
            trainer.save_checkpoint(self._path)
        if number:
            raise Stop(number)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write it, and stop, if that was asked for; behind the last epoch a training ends by itself."""
        trainer.save_checkpoint(self._path)
        number = _most(trainer, self._heard.number)
        if number and not trainer.should_stop and trainer.current_epoch + 1 != trainer.max_epochs:
            raise Stop(number)


def _most(trainer: pl.Trainer, value: int) -> int:
    """Return the largest value that any of the processes has."""
    if trainer.world_size == 1:
        return value
    tensor = torch.tensor(value, device=trainer.strategy.root_device)
    torch.distributed.all_reduce(tensor, torch.distributed.ReduceOp.MAX)
    return int(tensor)


def queue_again(number: str) -> bool:
    """Let Slurm queue a job again, that of this process; say whether it did.

    Slurm ends the job then, what it prints included; this process ends by itself.
    """
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        done = subprocess.run(["scontrol", "requeue", number], capture_output=True, text=True, check=False)
    except OSError as error:
        said = str(error)
    else:
        if done.returncode == 0:
            return True
        said = " ".join((done.stderr or done.stdout).split())
    signal.signal(signal.SIGTERM, before)
    log.warning("job %s isn't queued again: %s", number, said)
    return False
