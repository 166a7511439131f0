"""Training: it learns, it writes what it should, and an interruption changes nothing."""

from __future__ import annotations

import itertools
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from fair_hep.bundle.errors import ConfigError, MissingStepError, ProjectError
from fair_hep.bundle.files import read_json
from fair_hep.project import data, train
from fair_hep.project.arithmetic import threads
from fair_hep.project.training import learning_rate
from fair_hep.provenance.configuration import TrainConfig
from fair_hep.provenance.project import Project
from support.small import OVERRIDES, call, environment, make_config, make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("train"))
    data.run(made, make_config(made))
    return made


def _weights(project: Project, name: str) -> Mapping[str, np.ndarray]:
    weights: Mapping[str, np.ndarray] = load_file(project.run(name, "train") / train.WEIGHTS)
    return weights


def _same(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> bool:
    return all(np.array_equal(first[key], second[key]) for key in first)


def test_training_learns_and_writes_its_results(project: Project) -> None:
    result = train.run(project, make_config(project, "train.epochs=3", "train.limit=0"))
    folder = project.run("quick", "train")
    history = read_json(folder / "history.json")["losses"]
    assert [row["epoch"] for row in history] == [0, 1, 2]
    assert history[-1]["val_loss"] < 0.5 * np.log(2)
    assert result["parameters"] == 26_416
    assert (folder / "learning_curves.png").read_bytes().startswith(b"\x89PNG")
    provenance = read_json(folder / "provenance.json")
    assert provenance["seed"] == 20190222
    assert all(len(checksum) == 64 for checksum in provenance["inputs"].values())
    assert not list(folder.rglob("*.pkl"))
    assert not train.load_network(project, make_config(project)).training


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(project: Project) -> None:
    with threads(1):
        for name, seed in (("one", 1), ("two", 1), ("three", 2)):
            train.run(project, make_config(project, f"name={name}", f"seed={seed}", "train.limit=96"))
    assert _same(_weights(project, "one"), _weights(project, "two"))
    assert not _same(_weights(project, "one"), _weights(project, "three"))


def test_what_is_missing_names_the_command(project: Project, tmp_path: Path) -> None:
    with pytest.raises(MissingStepError, match="run `data` first"):
        train.run(make_project(tmp_path), make_config(project))
    with pytest.raises(MissingStepError, match="run `train` first"):
        train.load_network(project, make_config(project, "name=never"))
    with pytest.raises(MissingStepError, match=r"last\.ckpt"):
        train.run(project, make_config(project, "name=never"), resume=True)


def test_weights_of_another_network_are_refused(project: Project) -> None:
    train.run(project, make_config(project, "name=lite", "train.epochs=1", "train.limit=64"))
    with pytest.raises(ProjectError, match="don't fit"):
        train.load_network(project, make_config(project, "name=lite", "model.preset=full"))


def test_resuming_with_another_configuration_is_refused(project: Project) -> None:
    train.run(project, make_config(project, "name=changed", "train.epochs=1", "train.limit=64"))
    another = make_config(project, "name=changed", "train.epochs=3", "train.limit=64", "model.dropout=0.2")
    with pytest.raises(ConfigError) as error:
        train.run(project, another, resume=True)
    assert str(error.value) == (
        "--resume: changed since the checkpoint: model.dropout was unset, and is 0.2; "
        "train.epochs was 1, and is 3; change it back, or train again"
    )


def test_early_stopping_stops(project: Project) -> None:
    # A learning rate that blows up: the validation loss gets no better after the first epochs.
    overrides = ("name=early", "train.epochs=30", "train.limit=64", "train.patience=1", "train.peak_learning_rate=3")
    assert train.run(project, make_config(project, *overrides))["epochs"] < 30


def test_the_schedule_is_one_cycle() -> None:
    settings = TrainConfig(learning_rate=3e-4, peak_learning_rate=3e-3, final_learning_rate=5e-7)
    rates = [learning_rate(step, 1000, settings) for step in range(1001)]
    assert rates[0] == pytest.approx(3e-4)
    assert rates[400] == pytest.approx(3e-3)
    assert rates[800] == pytest.approx(3e-4)
    assert rates[1000] == pytest.approx(5e-7)
    assert max(abs(a - b) for a, b in itertools.pairwise(rates)) < 1e-5


INTERRUPTED = ("train.epochs=4", "train.checkpoint_steps=3", "train.threads=1", "train.batch_size=16")


@pytest.fixture(scope="module")
def alone(project: Project) -> Mapping[str, np.ndarray]:
    """Give the weights of a training that nobody interrupted."""
    with threads(1):
        train.run(project, make_config(project, "name=alone", *INTERRUPTED))
    return _weights(project, "alone")


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_training_reaches_the_same_weights(
    project: Project, alone: Mapping[str, np.ndarray], stop: signal.Signals
) -> None:
    """Stopped in the middle of an epoch and resumed: bit for bit the weights of the training that was left alone."""
    name = f"stopped{stop.value}"
    command = [sys.executable, "-m", "fair_hep.cli", "train", *OVERRIDES, *INTERRUPTED, f"name={name}"]
    checkpoint = project.run(name, "train") / "checkpoints" / "last.ckpt"
    heard: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    # Where the tests run in the background of a shell, Ctrl-C is ignored, and children inherit that.
    heard["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, cwd=project.root, env=environment(project), **heard) as process:
        deadline = time.monotonic() + 240
        while not checkpoint.is_file() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(stop)
        said = process.communicate(timeout=60)[1].splitlines()[-1:]
    if stop is not signal.SIGKILL:
        what = "Ctrl-C" if stop is signal.SIGINT else "SIGTERM"
        assert said[0].startswith(f"error: train: stopped by {what}; ")
        assert f"runs/{name}/train/checkpoints/last.ckpt" in said[0]
        assert said[0].endswith(shlex.join(["train", "--resume", *command[4:]]))
    assert process.returncode == (-stop if stop is signal.SIGKILL else 128 + stop)
    assert not (project.run(name, "train") / "provenance.json").exists()
    with threads(1):
        train.run(project, make_config(project, f"name={name}", *INTERRUPTED), resume=True)
    assert _same(alone, _weights(project, name))


SHARED = ("train.threads=1", "model.dropout=0", "train.limit=128", "train.epochs=1")


@pytest.fixture(scope="module")
def single(project: Project) -> Mapping[str, Any]:
    """Give the history of a training in one process."""
    train.run(project, make_config(project, "name=single", *SHARED))
    history: Mapping[str, Any] = read_json(project.run("single", "train") / "history.json")
    return history


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["lightning", "torchrun"])
def test_two_processes_learn_what_one_learns(project: Project, single: Mapping[str, Any], launcher: str) -> None:
    """The same batches and shared batch-norm statistics: the losses agree to the rounding of float32.

    Weights are no measure: where batch norm makes a gradient vanish, Adam turns its rounding into whole steps. That the
    processes compute the same gradients is shown in float64 by ``test_processes.py``.
    """
    arguments = ["train", *OVERRIDES, *SHARED, f"name={launcher}", "train.devices=2", "train.accelerator=cpu"]
    if launcher == "lightning":
        done = call(project, *arguments)
    else:
        torchrun = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "2",
            "-m",
            "fair_hep.cli",
        ]
        done = subprocess.run(
            [*torchrun, *arguments],
            cwd=project.root,
            env=environment(project),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    one, two = single, read_json(project.run(launcher, "train") / "history.json")
    assert (one["processes"], two["processes"]) == (1, 2)
    assert one["steps"] == two["steps"] == 4
    for key in ("train_loss", "val_loss"):
        assert two["losses"][0][key] == pytest.approx(one["losses"][0][key], rel=2e-3)
