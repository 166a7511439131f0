"""What the training loop says before and after its epochs."""

from __future__ import annotations

import io
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from fair_hep.bundle.errors import ConfigError, StoppedError
from fair_hep.project.layout import find_layout
from fair_hep.project.progress import Bar, stoppable
from fair_hep.provenance.configuration import TrainConfig


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"accelerator": "tpu2"}, "train.accelerator=tpu2, train.devices=1, .*invalid accelerator name"),
        ({"accelerator": "mps"}, "train.accelerator=mps"),
    ],
)
def test_what_this_machine_does_not_have_is_one_line(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    from fair_hep.project.training import _trainer

    with pytest.raises(ConfigError, match=words) as error:
        _trainer(TrainConfig.model_validate(settings), [], False, tmp_path, find_layout({}))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SIGTERMException()])
def test_who_stops_a_training_is_told_what_is_kept(tmp_path: Path, stop: BaseException) -> None:
    checkpoint = tmp_path / "runs" / "quick" / "train" / "checkpoints" / "last.ckpt"

    def stopped() -> StoppedError:
        with pytest.raises(StoppedError) as error, stoppable(checkpoint, 40, 12):
            try:
                raise stop
            except KeyboardInterrupt:  # as Lightning does
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                sys.exit(1)
        return error.value

    before = signal.getsignal(signal.SIGINT)
    first = stopped()
    assert "nothing is kept: no epoch had ended" in str(first)
    assert (first.resumable, first.code) == (False, 130 if isinstance(stop, KeyboardInterrupt) else 143)
    checkpoint.parent.mkdir(parents=True)
    torch.save({"global_step": 100}, checkpoint)
    second = stopped()
    assert "2.5 of 12 epochs are kept (step 100, runs/quick/train/checkpoints/last.ckpt)" in str(second)
    assert second.resumable
    assert signal.getsignal(signal.SIGINT) is before, "a second Ctrl-C works"


def test_another_exit_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as error, stoppable(tmp_path / "last.ckpt", 1, 1):
        sys.exit(3)
    assert error.value.code == 3


def test_the_bar_counts_epochs_as_the_log_does() -> None:
    trainer: Any = SimpleNamespace(is_global_zero=True, num_training_batches=2, current_epoch=0, max_epochs=12)
    stream = io.StringIO()
    bar = Bar(stream)
    bar.on_train_epoch_start(trainer, trainer)
    bar.on_train_batch_end(trainer, trainer, None, None, 0)
    bar.on_train_epoch_end(trainer, trainer)
    assert "epoch 1 of 12" in stream.getvalue()


def test_nobody_who_reads_a_file_sees_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    trainer: Any = SimpleNamespace(is_global_zero=True, num_training_batches=2, current_epoch=0, max_epochs=12)
    bar = Bar()
    bar.on_train_epoch_start(trainer, trainer)
    bar.on_train_epoch_end(trainer, trainer)
    assert capsys.readouterr() == ("", "")
