"""The champion is what the rule chooses among all versions, whoever registers when and in whatever order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from fair_hep import bundle
from fair_hep.bundle.errors import BundleError
from fair_hep.publish.champion import CHAMPION, OUTPUTS, TEST_TAG, WITHDRAWN_TAG, champion, settle, versions

pytestmark = pytest.mark.slow

NAME = "model"


class Better:
    """What compares: the larger number is better; equal ones are not worse."""

    outputs = (type("Spec", (), {"name": "logits"}),)

    def __init__(self) -> None:
        self.compared: list[tuple[float, float]] = []

    def not_worse(self, outputs: Any, best: Any, targets: Any) -> tuple[bool, str]:
        ours, theirs = float(outputs["logits"][0]), float(best["logits"][0])
        self.compared.append((ours, theirs))
        return ours >= theirs, f"{ours} against {theirs}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tables of a SQLite file once, which takes longest."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def client(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    (tmp_path / "mlflow.db").write_bytes(store.read_bytes())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    made = MlflowClient(uri)
    made.create_experiment(NAME, artifact_location=(tmp_path / "artifacts").as_uri())
    made.create_registered_model(NAME)
    yield made
    mlflow.set_tracking_uri(None)


@pytest.fixture
def add(client: MlflowClient, tmp_path: Path) -> Callable[..., ModelVersion]:
    """Give a function that registers a version that is as good as a number says."""

    def make(good: float, *, test: str = "one", target: float = 0.0) -> ModelVersion:
        run = client.create_run(client.get_experiment_by_name(NAME).experiment_id)
        path = tmp_path / "outputs.npz"
        bundle.write_arrays(path, {"logits": np.array([good]), "label": np.array([target])})
        client.log_artifact(run.info.run_id, str(path), str(Path(OUTPUTS).parent))
        source = f"{run.info.artifact_uri}/model"
        return client.create_model_version(NAME, source, run.info.run_id, tags={TEST_TAG: test})

    return make


def leader(client: MlflowClient) -> int:
    found = champion(client, NAME)
    assert found is not None
    return int(found.version)


@pytest.mark.parametrize("goods", list(permutations((1.0, 2.0, 3.0))))
def test_one_after_the_other_ends_at_the_best(client: MlflowClient, add: Any, goods: tuple[float, ...]) -> None:
    best = 0.0
    for number, good in enumerate(goods, start=1):
        moved, reason = settle(client, add(good), Better())  # type: ignore[arg-type]
        assert moved == (good > best), reason
        best = max(best, good)
        assert leader(client) == goods.index(best) + 1
        assert number == len(versions(client, NAME))


@pytest.mark.parametrize("goods", [(1.0, 2.0), (2.0, 1.0)])
@pytest.mark.parametrize("first", [0, 1])
def test_two_at_the_same_moment_end_at_the_better(
    client: MlflowClient, add: Any, monkeypatch: pytest.MonkeyPatch, goods: tuple[float, float], first: int
) -> None:
    """One has decided and is about to set the alias when the other comes, decides, sets it and is done."""
    added: dict[int, ModelVersion] = {first: add(goods[first])}
    real = client.set_registered_model_alias

    def slow(name: str, alias: str, version: str) -> None:
        monkeypatch.setattr(client, "set_registered_model_alias", real)
        added[1 - first] = add(goods[1 - first])
        settle(client, added[1 - first], Better())  # type: ignore[arg-type]
        real(name, alias, version)

    monkeypatch.setattr(client, "set_registered_model_alias", slow)
    settle(client, added[first], Better())  # type: ignore[arg-type]
    assert leader(client) == int(added[goods.index(max(goods))].version)


def test_an_alias_that_somebody_moves_is_moved_back(client: MlflowClient, add: Any) -> None:
    good, bad = add(2.0), add(1.0)
    settle(client, good, Better())  # type: ignore[arg-type]
    client.set_registered_model_alias(NAME, CHAMPION, str(bad.version))
    moved, _ = settle(client, good, Better())  # type: ignore[arg-type]
    assert moved
    assert leader(client) == 1


def test_whoever_takes_a_version_out_says_so_by_a_tag(client: MlflowClient, add: Any) -> None:
    for good in (1.0, 2.0):
        settle(client, add(good), Better())  # type: ignore[arg-type]
    client.set_model_version_tag(NAME, "2", WITHDRAWN_TAG, "true")
    settle(client, add(0.5), Better())  # type: ignore[arg-type]
    assert leader(client) == 1


def test_other_test_data_are_not_compared(client: MlflowClient, add: Any) -> None:
    settle(client, add(1.0), Better())  # type: ignore[arg-type]
    for other in ({"test": "two"}, {"target": 1.0}):
        moved, reason = settle(client, add(9.0, **other), Better())  # type: ignore[arg-type]
        assert not moved
        assert reason.startswith("not compared: other test data than version 1; the champion stays version 1")
    client.set_registered_model_alias(NAME, CHAMPION, "2")
    moved, _ = settle(client, add(10.0, test="two"), Better())  # type: ignore[arg-type]
    assert moved
    assert leader(client) == 4


def test_old_versions_are_not_compared_again(client: MlflowClient, add: Any) -> None:
    for good in (1.0, 3.0, 2.0):
        settle(client, add(good), Better())  # type: ignore[arg-type]
    model = Better()
    settle(client, add(4.0), model)  # type: ignore[arg-type]
    assert set(model.compared) == {(4.0, 3.0)}


def test_a_version_whose_outputs_are_gone_takes_no_part(
    client: MlflowClient, add: Any, caplog: pytest.LogCaptureFixture
) -> None:
    lost, good = add(9.0), add(1.0)
    client.set_registered_model_alias(NAME, CHAMPION, str(good.version))
    (path,) = (Path(client.get_run(lost.run_id).info.artifact_uri.removeprefix("file://"))).rglob("outputs.npz")
    path.unlink()
    settle(client, add(2.0), Better())  # type: ignore[arg-type]
    assert leader(client) == 3
    assert "version 1 takes no part" in caplog.text
    client.set_registered_model_alias(NAME, CHAMPION, str(lost.version))
    with pytest.raises(BundleError, match="version 1: the outputs of its evaluation can't be read"):
        settle(client, add(3.0), Better())  # type: ignore[arg-type]
