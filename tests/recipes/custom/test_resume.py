"""A training that stops anywhere in an epoch goes on with nothing lost: weights, and losses of whole epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from fair_hep.bundle.errors import ConfigError, ProjectError
from fair_hep.bundle.files import read_json
from fair_hep.project import run, train, training
from fair_hep.project.held import held
from fair_hep.project.stops import queue_again
from fair_hep.provenance.project import Project
from support.small import make_config

#: Four steps in an epoch.
SMALL = ("train.epochs=3", "train.limit=128", "train.batch_size=32", "train.threads=1")


class PowerCutError(Exception):
    """What ends a training in the test."""


def _train(project: Project, name: str, *more: str, resume: bool = False) -> None:
    train.run(project, make_config(project, *SMALL, f"name={name}", *more), resume=resume)


@pytest.fixture(scope="module")
def whole(converted: Project) -> Project:
    _train(converted, "whole")
    return converted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "after", "steps"),
    [
        ("validation_step", 4, 2),  # a checkpoint would be due behind the last step
        ("validation_step", 8, 4),
        ("training_step", 7, 3),
        ("training_step", 5, 0),
    ],
)
def test_nothing_is_lost(whole: Project, monkeypatch: pytest.MonkeyPatch, method: str, after: int, steps: int) -> None:
    real = getattr(training._Module, method)

    def cut(self: Any, *arguments: Any) -> Any:
        if self.global_step == after:
            raise PowerCutError
        return real(self, *arguments)

    name, more = f"{method}{after}", f"train.checkpoint_steps={steps}"
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        patch.setattr(training._Module, method, cut)
        _train(whole, name, more)
    _train(whole, name, more, resume=True)
    first, second = (whole.run(one, "train") for one in ("whole", name))
    assert read_json(second / "history.json")["losses"] == read_json(first / "history.json")["losses"]
    one, other = load_file(first / train.WEIGHTS), load_file(second / train.WEIGHTS)
    assert all(np.array_equal(one[key], other[key]) for key in one)


def test_a_job_that_is_started_again_takes_up_its_own_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / train.JOB).write_text("7\n")
    for job, restarts, expected in (("7", "0", False), ("7", "1", True), ("8", "1", False)):
        monkeypatch.setenv("SLURM_JOB_ID", job)
        monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
        assert train._restarted(tmp_path) is expected


def test_what_slurm_refuses_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not queue_again("7")
    (tmp_path / "scontrol").write_text(
        "#!/bin/sh\necho 'Requested operation is presently disabled for' $2 >&2\nexit 1\n"
    )
    (tmp_path / "scontrol").chmod(0o755)
    assert not queue_again("7")
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("job 7 isn't queued again: [Errno 2]")
    assert lines[1] == "job 7 isn't queued again: Requested operation is presently disabled for 7"


def test_a_chain_has_one_process_and_its_folder(converted: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(converted, "name=chain")
    monkeypatch.setattr("fair_hep.project.run._chain", lambda *_: train.run(converted, config))
    monkeypatch.setattr("fair_hep.project.train._trained", lambda *_, **__: {"trained": True})
    assert run.run(converted, config) == {"trained": True}
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        ConfigError, match="run: torchrun started 2 processes on each of 1 nodes; several processes can"
    ):
        run.run(converted, config)
    with held(converted.run("chain", "train").parent, "another"):
        pass  # nothing is left of those above


def test_seeds_want_one_process(converted: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ProjectError, match=r"train\.seeds: got 2 with 2 processes"):
        _train(converted, "seeds", "train.seeds=2")
