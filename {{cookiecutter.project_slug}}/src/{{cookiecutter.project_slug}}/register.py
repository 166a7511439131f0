"""The verb ``register``: put the bundle's model into the MLflow registry; it becomes champion if it is not worse."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import bundle, mlflow_model, models, provenance
from .config import Config
from .errors import BundleError, ServiceError
from .files import read_json, sha256
from .project import Project
from .tracking import experiment, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["CHAMPION", "champion", "connected", "registered_name", "run"]

CHAMPION = "champion"
OUTPUTS = "evaluation/outputs.npz"
#: Tags of a version that the rule for the champion reads.
BUNDLE_TAG, TEST_TAG = "bundle_sha256", "test_set_sha256"
TRIES = 5

log = logging.getLogger(__name__)


def run(project: Project, config: Config) -> dict[str, Any]:
    """Register the model of ``bundle/`` as a new version; the alias ``champion`` points to it if it is not worse.

    A bundle that is registered already isn't registered again. Two versions are compared only on the same test set.

    Raises
    ------
    MissingStepError
        If there is no bundle, or no evaluation of it.
    BundleError
        If the bundle is damaged, or the evaluation isn't of this bundle.
    ServiceError
        If the registry can't be reached or refuses.
    """
    bundle.check_files(project.bundle)
    outputs = _outputs_file(project, config)
    metrics = read_json(project.bundle / "metrics.json")
    name = registered_name(project, config)
    with connected(tracking_uri(project, config)) as client:
        version = _known(client, name, project.bundle) or _log(project, config, outputs, metrics)
        moved, reason = _choose(client, version, models.get(project.model), outputs)
        leader = champion(client, name)
    return {
        "headline": [f"{name} version {version.version} registered", reason],
        "name": name,
        "version": int(version.version),
        "champion": int(leader.version) if leader else None,
        "moved": moved,
        "reason": reason,
    }


def registered_name(project: Project, config: Config) -> str:
    """Return the name in the registry: the configured one, else the slug."""
    return config.register_.name or project.slug


@contextlib.contextmanager
def connected(uri: str) -> Iterator[MlflowClient]:
    """Use a tracking server for a while; its errors become one line, without the address (it may hold a password).

    Raises
    ------
    ServiceError
        If the server can't be reached or refuses.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    before = os.environ.get("MLFLOW_TRACKING_URI")
    # MLflow retries for minutes by default; a person waits for the answer here.
    patience = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
    added = {key: value for key, value in patience.items() if key not in os.environ}
    os.environ.update(added)
    try:
        mlflow.set_tracking_uri(uri)
        yield mlflow.MlflowClient(uri)
    except MlflowException as error:
        line = _without_secrets(" ".join(str(error).split()))[:300]
        raise ServiceError(f"registry: {line}; is register.tracking_uri (or MLFLOW_TRACKING_URI) right?") from error
    finally:
        # MLflow keeps the address in the environment as well, for its subprocesses.
        mlflow.set_tracking_uri(None)
        for key in added:
            os.environ.pop(key, None)
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before


def _without_secrets(text: str) -> str:
    return re.sub(r"(\w+://)[^/@\s]+@", r"\1", text)


def _outputs_file(project: Project, config: Config) -> Path:
    """Return the raw outputs of the evaluation that the bundle was made with."""
    folder = project.run(config.name, "evaluate")
    provenance.require(folder, "evaluate", project.root)
    made = provenance.require(project.bundle, "export", project.root)
    path = folder / "outputs.npz"
    if sha256(path) not in made["inputs"].values():
        raise BundleError(
            f"{path.relative_to(project.root)} is of another evaluation than the bundle: run `export` again"
        )
    return path


def _known(client: MlflowClient, name: str, folder: Path) -> ModelVersion | None:
    """Return the version that holds this very bundle."""
    wanted = sha256(folder / bundle.SUMS)
    found = client.search_model_versions(f"name = '{name}'")
    return next((version for version in found if version.tags.get(BUNDLE_TAG) == wanted), None)


def _log(project: Project, config: Config, outputs: Path, metrics: Mapping[str, Any]) -> ModelVersion:
    """Log the bundle as a model of a new run, and register it as a new version."""
    import mlflow

    name, tags = registered_name(project, config), _tags(project, metrics)
    client = mlflow.MlflowClient()
    parent = experiment(client, project, config)
    with mlflow.start_run(experiment_id=parent, run_name=f"register {project.version}", tags=tags) as active:
        mlflow.log_metrics(dict(metrics["metrics"]))
        mlflow.log_artifact(str(outputs), str(Path(OUTPUTS).parent))
        if (project.bundle / "figures").is_dir():
            mlflow.log_artifacts(str(project.bundle / "figures"), "figures")
        info = mlflow.models.Model.log(
            artifact_path=None,
            name="model",
            flavor=mlflow_model,
            run_id=active.info.run_id,
            registered_model_name=name,
            folder=project.bundle,
            # The input example is tried when the model is saved; trying it again needs MLflow's server.
            validate_serving_input=False,
        )
    number = str(info.registered_model_version)
    for key, value in tags.items():
        client.set_model_version_tag(name, number, key, value)
    client.update_model_version(name, number, description=project.description)
    return client.get_model_version(name, number)


def _tags(project: Project, metrics: Mapping[str, Any]) -> dict[str, str]:
    made = read_json(project.bundle / provenance.FILE)
    known = {
        "version": project.version,
        "doi": project.doi,
        "dataset_doi": project.dataset.doi,
        "git_commit": made["git_commit"],
        "license": project.licenses.weights,
        TEST_TAG: metrics["test_set"]["sha256"],
        BUNDLE_TAG: sha256(project.bundle / bundle.SUMS),
    }
    return {key: value for key, value in known.items() if value}


def champion(client: MlflowClient, name: str) -> ModelVersion | None:
    """Return the version that the alias points to; None if there is no such model or alias."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _choose(client: MlflowClient, version: ModelVersion, model: Any, outputs: Path) -> tuple[bool, str]:
    """Let the alias point to a version if it is not worse than the champion; say why.

    Aliases have no compare-and-set: somebody else may set one in between. So it is read again after it was set.
    """
    for _ in range(TRIES):
        leader = champion(client, version.name)
        if leader is not None and int(leader.version) == int(version.version):
            return False, f"version {version.version} is the champion already"
        better, reason = _not_worse(version, leader, model, outputs)
        if not better:
            return False, reason
        client.set_registered_model_alias(version.name, CHAMPION, version.version)
        now = champion(client, version.name)
        if now is not None and int(now.version) == int(version.version):
            return True, reason
        log.info("the champion changed in between: comparing again")
    raise ServiceError(
        f"registry: alias {CHAMPION} of {version.name} keeps changing: somebody else registers; try again"
    )


def _not_worse(version: ModelVersion, leader: ModelVersion | None, model: Any, outputs: Path) -> tuple[bool, str]:
    """Compare a version with the champion; without a champion, any version is not worse."""
    if leader is None:
        return True, f"version {version.version} is the first champion"
    by_hand = f"the champion stays version {leader.version}; set the alias by hand if you mean it"
    if leader.tags.get(TEST_TAG) != version.tags.get(TEST_TAG):
        return False, f"not compared: another test set than that of version {leader.version}; {by_hand}"
    ours, targets = _split(model, outputs)
    theirs, same = _champion_outputs(model, leader)
    if set(targets) != set(same) or any(not np.array_equal(targets[key], same[key]) for key in targets):
        return False, f"not compared: other targets than those of version {leader.version}; {by_hand}"
    better, reason = model.not_worse(ours, theirs, targets)
    verdict = "is the new champion" if better else f"is worse: the champion stays version {leader.version}"
    return better, f"version {version.version} {verdict} ({reason})"


def _champion_outputs(model: Any, leader: ModelVersion) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    import mlflow

    with tempfile.TemporaryDirectory() as temporary:
        path = mlflow.artifacts.download_artifacts(run_id=leader.run_id, artifact_path=OUTPUTS, dst_path=temporary)
        return _split(model, Path(path))


def _split(model: Any, path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Read raw outputs and targets from the file of an evaluation."""
    arrays = bundle.read_arrays(path)
    names = {spec.name for spec in model.outputs}
    return {k: v for k, v in arrays.items() if k in names}, {k: v for k, v in arrays.items() if k not in names}
