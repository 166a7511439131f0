"""What somebody who watches a training sees of it, and what is left when it is stopped."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ..bundle.errors import StoppedError
from .layout import job
from .stops import Stop, queue_again

__all__ = ["Bar", "stoppable"]

log = logging.getLogger(__name__)


class Bar(Callback):
    """A bar for each epoch, counted from 1 as the log counts them; only where somebody watches.

    Parameters
    ----------
    stream
        Where it is drawn; by default standard error, if that is a terminal.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._bar: Any = None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin a bar."""
        from tqdm import tqdm

        if not trainer.is_global_zero:
            return
        batches = trainer.num_training_batches
        self._bar = tqdm(
            desc=f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}",
            total=None if batches == float("inf") else int(batches),
            file=self._stream or sys.stderr,
            disable=None if self._stream is None else False,
            leave=False,
        )

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """Move it on."""
        if self._bar is not None:
            self._bar.update()

    def on_train_epoch_end(self, *_: Any) -> None:
        """Take it away: the log has a line for the epoch."""
        self._close()

    def on_exception(self, *_: Any) -> None:
        """Leave the line to whatever is said next."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@contextlib.contextmanager
def stoppable(checkpoint: Path, steps: int, epochs: int, *, leader: bool = True) -> Iterator[None]:
    """Let a training be stopped: say what is kept, and how far it had come.

    Parameters
    ----------
    checkpoint
        The last one, if there is any.
    steps
        Steps of an epoch.
    epochs
        Epochs that were asked for.
    leader
        Whether this is the process that speaks for all.

    Raises
    ------
    StoppedError
        If Ctrl-C or a signal stopped it. Lightning ends the program without a word then, with 0 or 1, and lets no
        further Ctrl-C through.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SIGTERMException as error:
        if not leader:
            sys.exit(0)  # a launcher may end all processes when one fails, and the leader isn't done
        number = error.number if isinstance(error, Stop) else signal.SIGTERM
        stopped = _stopped(number.name, number, checkpoint, steps, epochs)
        if number == signal.SIGTERM or (queued := job()) is None:
            raise stopped from error
        # Before it is queued: nothing that is said behind that need be heard.
        log.info("%s; job %s is queued again", stopped, queued)
        if not queue_again(queued):
            raise stopped from error
        text = f"{stopped}; job {queued} is queued again and goes on from there"
        raise StoppedError(text, code=stopped.code, resumable=None) from error
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        raise _stopped("Ctrl-C", signal.SIGINT, checkpoint, steps, epochs) from error
    finally:
        signal.signal(signal.SIGINT, before)


def _stopped(what: str, number: signal.Signals, checkpoint: Path, steps: int, epochs: int) -> StoppedError:
    import torch

    code = 128 + number
    if not checkpoint.is_file():
        text = "nothing is kept: no epoch had ended (train.checkpoint_steps=N keeps more)"
        return StoppedError(f"train: stopped by {what}; {text}", code=code, resumable=False)
    done = int(torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"])
    shown = Path(*checkpoint.parts[-5:])  # runs/CONFIGURATION/train/checkpoints/last.ckpt
    text = f"{done / steps:.3g} of {epochs} epochs are kept (step {done}, {shown})"
    return StoppedError(f"train: stopped by {what}; {text}", code=code, resumable=True)
