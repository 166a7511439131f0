"""A tracking server somewhere else, with PostgreSQL as its store: two register at once, the better one is served."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fair_hep import bundle
from fair_hep.project.register import connected, log_input
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.publish.champion import CHAMPION, champion
from support.postgres import tracking_server
from support.published import copy
from support.registered import exported, logits
from support.small import environment

Bundled = tuple[Project, Config]

LOADED = """
import json, sys
import mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
json.dump(model.predict(json.load(open(sys.argv[2]))["inputs"]), sys.stdout)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with tracking_server(tmp_path_factory.mktemp("tracking")) as url:
        yield url


@pytest.mark.slow
def test_the_same_data_are_logged_by_many_at_once(server: str) -> None:
    import mlflow
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    with connected(server) as client:
        parent = client.create_experiment("many at once")

        def log(number: int) -> str:
            with mlflow.start_run(experiment_id=parent) as active:
                name = f"data {number // 8}"
                log_input(MetaDataset(CodeDatasetSource({}), name=name, digest="1"), context="training", tags={})
            return str(active.info.run_id)

        with ThreadPoolExecutor(8) as pool:
            runs = list(pool.map(log, range(40)))
        logged = [client.get_run(run).inputs.dataset_inputs[0].dataset.name for run in runs]
    assert logged == [f"data {number // 8}" for number in range(40)]


@pytest.mark.slow
def test_two_at_the_same_moment_end_at_the_better_one_which_a_stranger_loads(
    server: str, bundled: Bundled, tmp_path: Path
) -> None:
    good, config = copy(bundled, tmp_path / "good")
    bad, _ = copy(bundled, tmp_path / "bad")
    exported(good, config, logits(good, config, 3.0))
    exported(bad, config, logits(bad, config, 0.5))
    own = {**environment(good), "MLFLOW_TRACKING_URI": server}
    running = {
        project.root.name: subprocess.Popen(
            [sys.executable, "-m", "fair_hep.cli", "register", "--json"], cwd=project.root, text=True,
            env={**own, "FAIR_HEP_PROJECT": str(project.root)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for project in (good, bad)
    }  # fmt: skip
    found = {}
    for name, process in running.items():
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        found[name] = json.loads(output)
    assert {found["good"]["version"], found["bad"]["version"]} == {1, 2}
    with connected(server) as client:
        leader = champion(client, good.slug)
    assert leader is not None
    assert int(leader.version) == found["good"]["version"]
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED, f"models:/{good.slug}@{CHAMPION}", str(good.bundle / bundle.REQUEST)],
        cwd=tmp_path, env={**own, "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert loaded.returncode == 0, loaded.stderr
    stored = bundle.read_arrays(good.bundle / "examples/outputs.npz")
    for number, given in enumerate(json.loads(loaded.stdout)):
        for name, values in stored.items():
            assert np.allclose(given[name], values[number], atol=1e-5)
