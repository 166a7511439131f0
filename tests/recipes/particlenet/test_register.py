"""The registry: a model without torch, pickle or paths, and a champion that only gives way to one that is not worse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import yaml

from fair_hep import bundle
from fair_hep.bundle.errors import BundleError, MissingStepError, ServiceError
from fair_hep.bundle.files import read_json, sha256, write_json
from fair_hep.project.register import _log_data, connected, run
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.publish.champion import BUNDLE_TAG, CHAMPION
from fair_hep.publish.tracking import experiment, tracking_uri
from support.published import copy
from support.recipes import model as model_named
from support.registered import exported, logits

Bundled = tuple[Project, Config]
MODEL = model_named("particlenet")


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)


@pytest.fixture(scope="module")
def registered(bundled: Bundled, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Config, dict[str, Any]]:
    """Register once; what only looks at the result shares it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        project, config = copy(bundled, tmp_path_factory.mktemp("registered") / "project")
        return project, config, run(project, config)


def aliases(project: Project, config: Config) -> dict[str, int]:
    with connected(tracking_uri(project, config)) as client:
        found = client.get_registered_model(project.slug).aliases
    return {name: int(version) for name, version in found.items()}


def test_the_first_version_is_the_champion(registered: tuple[Project, Config, dict[str, Any]]) -> None:
    project, config, found = registered
    assert (found["version"], found["champion"], found["moved"]) == (1, 1, True)
    look, hand, following = found["headline"][-3:]
    assert "--backend-store-uri sqlite:///mlflow.db" in look
    assert look.endswith(f"/#/models/{project.slug}")
    assert f"{project.slug} publish" in hand
    assert following == f"next: {project.slug} serve --port 5001"
    assert aliases(project, config) == {CHAMPION: 1}
    assert not (Path.cwd() / "mlruns").exists()


def test_registering_the_same_bundle_again_changes_nothing(registered: tuple[Project, Config, dict[str, Any]]) -> None:
    project, config, _ = registered
    again = run(project, config)
    assert (again["version"], again["champion"], again["moved"]) == (1, 1, False)


def test_tags_metrics_and_artifacts_say_what_it_is(registered: tuple[Project, Config, dict[str, Any]]) -> None:
    project, config, _ = registered
    with connected(tracking_uri(project, config)) as client:
        version = client.get_model_version(project.slug, "1")
        # It learned from the sample: the published data, which the project names, are no data of this version.
        assert project.dataset.doi
        assert "dataset_doi" not in version.tags
        assert version.tags["data_source"] == "sample"
        assert version.tags[BUNDLE_TAG] == sha256(project.bundle / bundle.SUMS)
        assert version.description == project.description
        active = client.get_run(version.run_id)
        stored = read_json(project.bundle / "metrics.json")
        assert active.data.metrics == pytest.approx({**stored["metrics"], **stored["cost"]})
        assert {item.path for item in client.list_artifacts(version.run_id)} == {"evaluation", "figures", "explanation"}
        kept = {item.path for item in client.list_artifacts(version.run_id, "explanation")}
        assert kept == {"explanation/relevance.npz", "explanation/examples.json"}
        assert active.data.params["model.preset"] == "lite"


def test_every_split_is_logged_with_its_source_and_a_digest_of_its_files(
    registered: tuple[Project, Config, dict[str, Any]],
) -> None:
    project, config, _ = registered
    with connected(tracking_uri(project, config)) as client:
        active = client.get_run(client.get_model_version(project.slug, "1").run_id)
    logged = {each.dataset.name: each for each in active.inputs.dataset_inputs}
    assert set(logged) == {f"{project.slug} {split}" for split in ("train", "val", "test")}
    assert len({each.dataset.digest for each in logged.values()}) == 3
    for each in logged.values():
        tags = {tag.key: tag.value for tag in each.tags}
        assert tags == {"data_source": "sample", "data_license": "CC0-1.0", **_context(tags)}
        # The shipped sample isn't what the DOI means, so its source isn't the address of the DOI.
        assert each.dataset.source_type == "code"
        assert str(project.root) not in each.dataset.source


def _context(tags: dict[str, str]) -> dict[str, str]:
    """Return MLflow's own tag."""
    return {key: value for key, value in tags.items() if key.startswith("mlflow.")}


def test_data_that_were_fetched_by_their_doi_have_it_as_their_source(bundled: Bundled, tmp_path: Path) -> None:
    project, config = copy(bundled, tmp_path / "project")
    path = project.bundle / "provenance" / "data-train.json"
    made = read_json(path)
    made["configuration"]["data"]["source"] = "doi"
    made["dataset"]["doi"] = "10.5281/zenodo.2603256"
    write_json(path, made)
    with connected(tracking_uri(project, config)) as client:
        with mlflow.start_run(experiment_id=experiment(client, project, config)) as active:
            _log_data(project)
        found = client.get_run(active.info.run_id).inputs.dataset_inputs
    (fetched,) = [each.dataset for each in found if each.dataset.source_type == "http"]
    assert json.loads(fetched.source) == {"url": "https://doi.org/10.5281/zenodo.2603256"}


def model_folder(project: Project) -> Path:
    (file,) = project.root.glob("mlartifacts/**/MLmodel")
    return file.parent


def test_the_model_has_no_pickle_and_no_path_of_this_machine(
    registered: tuple[Project, Config, dict[str, Any]],
) -> None:
    project, _, _ = registered
    folder = model_folder(project)
    own = {str(project.root), str(Path(__file__).parents[3]), str(Path(mlflow.__file__).parents[1])}
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert path.suffix not in {".pkl", ".pickle", ".pth", ".pt", ".joblib"}
        content = path.read_bytes()
        assert not [name for name in own if name.encode() in content], path
    for path in (path for path in (project.root / "mlartifacts").rglob("*") if path.is_file()):
        assert str(project.root).encode() not in path.read_bytes(), path
    with connected(tracking_uri(project, registered[1])) as client:
        active = client.get_run(client.get_model_version(project.slug, "1").run_id)
    told = json.dumps([active.data.params, {k: v for k, v in active.data.tags.items() if "history" not in k}])
    assert not [name for name in {*own, str(Path.home()), sys.argv[0]} if name in told], told
    described = yaml.safe_load((folder / "MLmodel").read_text())
    assert "particles" in described["signature"]["inputs"]
    assert "probabilities" in described["signature"]["outputs"]
    assert described["saved_input_example_info"]
    pinned = (folder / "requirements.txt").read_text().split()
    assert all("==" in line for line in pinned)
    assert not [line for line in pinned if line.startswith("torch")]
    bundle.check_files(folder / "artifacts" / "bundle")


LOADING = """
import json, sys
events = []
sys.addaudithook(lambda event, arguments: events.append(arguments) if event == "pickle.find_class" else None)
import mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
request = json.load(open(sys.argv[2]))["inputs"]
named = model.predict(request)
bare = model.predict([example["particles"] for example in request])
assert named == bare
assert "torch" not in sys.modules
assert not events, events
json.dump(named, sys.stdout)
"""


def test_the_model_loads_without_torch_and_gives_the_stored_answers(
    registered: tuple[Project, Config, dict[str, Any]], tmp_path: Path
) -> None:
    project, _, _ = registered
    environment = {**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    environment.pop("PYTHONPATH", None)  # the model brings all that it needs
    done = subprocess.run(
        [sys.executable, "-c", LOADING, str(model_folder(project)), str(project.bundle / bundle.REQUEST)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    stored = bundle.read_arrays(project.bundle / "examples/outputs.npz")
    for number, given in enumerate(json.loads(done.stdout)):
        assert np.allclose(given["logits"], stored["logits"][number], atol=1e-5)


@pytest.mark.slow
def test_the_champion_gives_way_only_to_one_that_is_not_worse(bundled: Bundled, tmp_path: Path) -> None:
    project, config = copy(bundled, tmp_path / "project")
    exported(project, config, logits(project, config, 2.0))
    assert run(project, config)["champion"] == 1

    exported(project, config, logits(project, config, 0.5))
    worse = run(project, config)
    assert (worse["version"], worse["champion"], worse["moved"]) == (2, 1, False)
    assert "worse" in worse["reason"]

    exported(project, config, logits(project, config, 3.0))
    better = run(project, config)
    assert (better["version"], better["champion"], better["moved"]) == (3, 3, True)

    told = read_json(project.bundle / "metrics.json")["test_set"]
    exported(project, config, logits(project, config, 4.0), test_set={**told, "sha256": "0" * 64})
    other = run(project, config)
    assert (other["version"], other["champion"], other["moved"]) == (4, 3, False)
    assert "not compared" in other["reason"]
    assert aliases(project, config) == {CHAMPION: 3}


def test_the_address_of_the_caller_is_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(f"sqlite:///{tmp_path}/a.db"):
        assert mlflow.get_tracking_uri().endswith("a.db")
    assert "MLFLOW_TRACKING_URI" not in os.environ
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mine.db")
    with pytest.raises(RuntimeError), connected(f"sqlite:///{tmp_path}/a.db"):
        raise RuntimeError
    assert mlflow.get_tracking_uri().endswith("mine.db")
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_a_registry_that_cannot_be_reached_is_one_line_without_the_password(bundled: Bundled) -> None:
    project, config = bundled
    address = "http://ada:secret@127.0.0.1:9"
    away = config.model_copy(update={"register_": config.register_.model_copy(update={"tracking_uri": address})})
    with pytest.raises(ServiceError) as caught:
        run(project, away)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "tracking_uri" in str(caught.value)


def test_a_stale_or_damaged_bundle_is_not_registered(bundled: Bundled, tmp_path: Path) -> None:
    project, config = copy(bundled, tmp_path / "project")
    outputs = project.run(config.name, "evaluate") / "outputs.npz"
    whole = outputs.read_bytes()
    bundle.write_arrays(outputs, logits(project, config, 1.0))
    with pytest.raises(BundleError, match="run `export` again"):
        run(project, config)
    outputs.write_bytes(whole)
    (project.bundle / "README.md").write_text("changed")
    with pytest.raises(BundleError, match=r"README.md changed"):
        run(project, config)
    (project.bundle / bundle.SUMS).unlink()
    with pytest.raises(MissingStepError, match="export"):
        run(project, config)
    assert not (project.root / "mlflow.db").exists()
