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
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ..bundle.errors import ProjectError
from .layout import job

__all__ = ["Heard", "LastCheckpoint", "Stop"]

#: The end is near, and the job may be queued again: SIGUSR1 (``sbatch --signal=USR1@SECONDS``); stop: SIGTERM.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGUSR1", "SIGTERM") if hasattr(signal, name))

log = logging.getLogger(__name__)


class Stop(SIGTERMException):
    """A training stops after a step that it has kept.

    Parameters
    ----------
    number
        The signal.
    queued
        The job that Slurm will start again, if there is one.
    """

    def __init__(self, number: int, queued: str | None) -> None:
        super().__init__()
        self.number, self.queued = signal.Signals(number), queued


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


class LastCheckpoint(ModelCheckpoint):
    """The last checkpoint; a training that was told to stop writes it at the end of the step, and stops.

    Parameters
    ----------
    heard
        What this process was told.
    options
        Those of Lightning's `ModelCheckpoint`.
    """

    def __init__(self, heard: Heard, *options: Any, **named: Any) -> None:
        super().__init__(*options, **named)
        self._heard = heard

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen in place of Lightning, and see that all processes begin with the same step.

        Raises
        ------
        ProjectError
            If they don't: a node doesn't see the files of the others, or not yet.
        """
        super().on_train_start(trainer, pl_module)
        self._heard.listen()
        if -_most(trainer, -trainer.global_step) != _most(trainer, trainer.global_step):
            raise ProjectError(
                f"{self.dirpath}: the processes began with different checkpoints (step {trainer.global_step} here); "
                "nodes must share a file system"
            )

    def on_train_batch_end(self, trainer: pl.Trainer, *rest: Any, **named: Any) -> None:
        """Stop, if asked for; behind the last step of an epoch comes its validation first."""
        super().on_train_batch_end(trainer, *rest, **named)
        if not trainer.is_last_batch:
            self._stop(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop, if asked for; behind the last epoch a training ends by itself."""
        super().on_train_epoch_end(trainer, pl_module)
        if not trainer.should_stop and trainer.current_epoch + 1 != trainer.max_epochs:
            self._stop(trainer)

    def _stop(self, trainer: pl.Trainer) -> None:
        number = _most(trainer, self._heard.number)
        if not number:
            return
        path = self.format_checkpoint_name({})
        trainer.save_checkpoint(path)
        queued = _queue_again() if number != signal.SIGTERM and trainer.is_global_zero else None
        # A process that ends may take the others with it: none does before the job is queued.
        trainer.strategy.barrier("stop")
        raise Stop(number, queued)


def _most(trainer: pl.Trainer, value: int) -> int:
    """Return the largest value that any of the processes has."""
    if trainer.world_size == 1:
        return value
    tensor = torch.tensor(value, device=trainer.strategy.root_device)
    torch.distributed.all_reduce(tensor, torch.distributed.ReduceOp.MAX)
    return int(tensor)


def _queue_again() -> str | None:
    """Let Slurm queue the job of this process again; return its number, None if there is none or Slurm refuses."""
    number = job()
    if number is None:
        return None
    try:
        done = subprocess.run(["scontrol", "requeue", number], capture_output=True, text=True, check=False)
    except OSError as error:
        log.warning("job %s can't be queued again: %s", number, error)
        return None
    if done.returncode:
        log.warning("job %s can't be queued again: %s", number, " ".join((done.stderr or done.stdout).split()))
        return None
    return number
