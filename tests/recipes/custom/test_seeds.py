"""Several seeds in one command: each is the training that it would be alone, and the card tells mean and spread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from safetensors.numpy import load_file

from fair_hep.bundle.errors import MissingStepError
from fair_hep.bundle.files import read_json
from fair_hep.describe.card_analyses import _seeds
from fair_hep.pages.document import Table
from fair_hep.project import data, evaluate, train
from fair_hep.publish.tracking import tracking_uri
from support.small import make_config, make_project

SMALL = ("train.epochs=1", "train.limit=64", "train.threads=1", "evaluate.limit=60")


@pytest.mark.slow
def test_two_seeds_are_two_trainings_with_a_spread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project = make_project(tmp_path / "project")
    config = make_config(project, *SMALL, "train.seeds=2", "seed=5")
    data.run(project, config)
    found = train.run(project, config)
    assert len(found["seeds"]) == found["trainings"] == 2
    alone = make_config(project, *SMALL, "name=alone", "seed=5", "train.seed=6")
    train.run(project, alone)
    first, second, same = (
        load_file(project.run(n, "train") / train.WEIGHTS) for n in ("quick", "quick-seed2", "alone")
    )
    assert all(np.array_equal(second[name], same[name]) for name in same)
    assert any(not np.array_equal(first[name], second[name]) for name in same)

    client = MlflowClient(tracking_uri(project, config))
    runs = client.search_runs([client.get_experiment_by_name(project.slug).experiment_id])
    (parent,) = (one for one in runs if one.info.run_name == "train quick, 2 seeds")
    children = [one for one in runs if one.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert {one.data.params["seed"] for one in children} == {"5", "6"}
    assert parent.info.status == "FINISHED"

    before = {path: path.read_bytes() for path in project.root.glob("runs/*/train/weights.safetensors")}
    (project.run("quick-seed2", "train") / "provenance.json").unlink()
    again = train.run(project, config, resume=True)
    assert again["seeds"][1]["resumed"], "what wasn't finished is taken up, what is stays as it is"
    assert {path: path.read_bytes() for path in before} == before

    result = evaluate.run(project, config)
    values = [
        read_json(project.run(n, "evaluate") / "metrics.json")["metrics"]["auc"] for n in ("quick", "quick-seed2")
    ]
    assert result["metrics"]["auc"] == values[0]
    assert result["seeds"]["metrics"]["auc"]["values"] == values
    assert any(line.startswith("auc of 2 trainings with different seeds: mean ") for line in result["headline"])
    (table,) = _seeds(read_json(project.run("quick", "evaluate") / "metrics.json"))
    assert isinstance(table, Table)
    assert next(row for row in table.rows if row[0] == "auc")[2].startswith(f"{np.mean(values):.4g} ± ")
    with pytest.raises(MissingStepError, match="quick-seed3"):
        evaluate.run(project, make_config(project, *SMALL, "train.seeds=3", "seed=5"))
