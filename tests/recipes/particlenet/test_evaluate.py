"""Evaluation: raw outputs, metrics with errors, tables and figures, and the comparison with a champion."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, roc_auc_score

from fair_hep.bundle.errors import DataError, MissingStepError
from fair_hep.bundle.files import read_json, sha256
from fair_hep.data.store import Store
from fair_hep.project import data, evaluate, train
from fair_hep.provenance.project import Project
from fair_hep.tagging.applied import apply
from support.recipes import model as model_named
from support.small import make_config, make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("evaluate"))
    config = make_config(made)
    data.run(made, config)
    train.run(made, config)
    evaluate.run(made, config)
    return made


def test_metrics_agree_with_scikit_learn_on_the_stored_outputs(project: Project) -> None:
    folder = project.run("quick", "evaluate")
    with np.load(folder / "outputs.npz", allow_pickle=False) as stored:
        logits, label = stored["logits"].astype(np.float64), stored["label"]
    metrics = read_json(folder / "metrics.json")["metrics"]
    assert len(label) == 300
    assert metrics["auc"] == pytest.approx(roc_auc_score(label, logits[:, 1] - logits[:, 0]), abs=1e-14)
    assert metrics["accuracy"] == pytest.approx(accuracy_score(label, logits.argmax(1)), abs=1e-14)
    assert {"auc_error", "accuracy_error"} <= metrics.keys()
    assert all(np.isfinite(value) for value in metrics.values())


def test_tables_and_figures_are_there(project: Project) -> None:
    folder = project.run("quick", "evaluate")
    with (folder / "working_points.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5
    assert float(rows[0]["signal_efficiency"]) >= 0.3
    for name in ("roc.png", "scores.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    weights = project.run("quick", "train") / train.WEIGHTS
    assert read_json(folder / "provenance.json")["inputs"]["runs/quick/train/weights.safetensors"] == sha256(weights)


def test_outputs_do_not_depend_on_the_batch(project: Project) -> None:
    """In double precision; which of two constituents in one direction is the last neighbour is a matter of luck."""
    config = make_config(project)
    model, network = model_named("particlenet"), train.load_network(project, config).double()

    class Double(torch.nn.Module):
        body = network.body

        def forward(self, particles: torch.Tensor, axis: torch.Tensor) -> Any:
            return network(particles.double(), axis.double())

    dataset: Any = model.dataset(Store(data.store_folder(project, config) / "val"), max_constituents=128)
    (first, _), (second, _) = (apply(model, Double(), dataset, size) for size in (50, 333))
    differing = np.flatnonzero(np.abs(first["logits"] - second["logits"]).max(1) > 1e-6)
    jets = dataset.__getitems__([*range(len(dataset))])["particles"].numpy().astype(np.float64)
    tied = [number for number, jet in enumerate(jets) if last_neighbours_tie(jet[jet[:, 0] > 0], k=7)]
    assert set(differing) <= set(tied)
    assert len(tied) < 0.005 * len(jets)


def last_neighbours_tie(jet: np.ndarray, k: int) -> bool:
    """Say whether for some constituent the k-th and the next neighbour are equally far in (eta, phi)."""
    pt = np.hypot(jet[:, 1], jet[:, 2])
    eta, phi = np.arcsinh(jet[:, 3] / pt), np.arctan2(jet[:, 2], jet[:, 1])
    turn = (phi[:, None] - phi + np.pi) % (2 * np.pi) - np.pi
    squared = np.sort((eta[:, None] - eta) ** 2 + turn**2, 1)
    return squared.shape[1] > k + 1 and bool((squared[:, k + 1] - squared[:, k] < 1e-12).any())


def test_a_test_split_of_one_class_is_refused(tmp_path: Path) -> None:
    outputs = {"logits": np.zeros((5, 2))}
    with pytest.raises(DataError, match="both classes"):
        model_named("particlenet").evaluate(outputs, {"label": np.ones(5, dtype=int)}, tmp_path)


def test_an_untrained_network_cannot_be_evaluated(project: Project) -> None:
    with pytest.raises(MissingStepError, match="run `train` first"):
        evaluate.run(project, make_config(project, "name=never"))


def test_the_champion_loses_only_to_what_is_not_worse() -> None:
    generator = np.random.default_rng(0)
    label = generator.integers(2, size=4000)
    noise = generator.normal(size=4000)
    good, bad = ({"logits": np.stack([-s, s], 1)} for s in (label + 0.6 * noise, label + 1.5 * noise))
    model = model_named("particlenet")
    assert model.not_worse(good, bad, {"label": label})[0]
    assert model.not_worse(good, good, {"label": label})[0]
    worse, why = model.not_worse(bad, good, {"label": label})
    assert not worse
    assert "AUC difference -" in why
