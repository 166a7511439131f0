"""The verb ``register``: put the bundle's model into the MLflow registry; it becomes champion if it is not worse."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import bundle, provenance
from ..bundle.errors import BundleError, ServiceError
from ..bundle.files import read_json, sha256
from ..bundle.http import without_secrets
from ..bundle.privacy import report_nothing
from ..describe.origin import Origin, learned_from, origin
from ..models.recipe import recipe
from ..provenance.about import trained_elsewhere
from ..provenance.configuration import Config
from ..provenance.project import Project
from ..publish import mlflow_model
from ..publish.champion import BUNDLE_TAG, CHAMPION, OUTPUTS, TEST_TAG, champion, settle, versions
from ..publish.next_steps import next_steps
from ..publish.tracking import experiment, tracking_uri
from .precision import SINGLE, evaluation_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.data.dataset import Dataset
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["CHAMPION", "champion", "connected", "log_input", "registered_name", "run"]

#: What of the bundle tells how it explains: stored relevances, and how they were made.
EXPLANATION = ("examples/relevance.npz", "examples/examples.json")
#: The longest digest that MLflow takes is 36 characters.
DIGEST = 32
#: How often data are logged, if others log the same data at the same moment.
ATTEMPTS = 5


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
    if bundle.read_signature(project.bundle).third_party:
        raise BundleError(
            f"{project.bundle.name} holds an ONNX model of others: versions are compared by their evaluation on the "
            "same test set, and it has none; `publish` and the server work without the registry"
        )
    outputs = _outputs_file(project, config)
    metrics = read_json(project.bundle / "metrics.json")
    name = registered_name(project, config)
    with connected(tracking_uri(project, config)) as client:
        version = _known(client, name, project.bundle) or _log(project, config, outputs, metrics)
        moved, reason = settle(client, version, recipe(project))
        leader = champion(client, name)
    return {
        "headline": [f"{name} version {version.version} registered", reason, *next_steps(project, config, name)],
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
    report_nothing()
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
        line = without_secrets(" ".join(str(error).split()))[:300]
        raise ServiceError(f"registry: {line}; is register.tracking_uri (or MLFLOW_TRACKING_URI) right?") from error
    finally:
        # MLflow keeps the address in the environment as well, for its subprocesses.
        mlflow.set_tracking_uri(None)
        for key in added:
            os.environ.pop(key, None)
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before


def _outputs_file(project: Project, config: Config) -> Path:
    """Return the raw outputs of the evaluation that the bundle was made with: of a low precision, its own graph's."""
    folder = evaluation_folder(project, config, bundle.read_signature(project.bundle).precision)
    provenance.require(folder, "evaluate" if folder.name == "evaluate" else "export", project.root)
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
    found = versions(client, name)
    return next((version for version in found if version.tags.get(BUNDLE_TAG) == wanted), None)


def _log(project: Project, config: Config, outputs: Path, metrics: Mapping[str, Any]) -> ModelVersion:
    """Log the bundle as a model of a new run, and register it as a new version."""
    import mlflow

    name, tags = registered_name(project, config), _tags(project, metrics)
    client = mlflow.MlflowClient()
    parent = experiment(client, project, config)
    # MLflow would put the path of the program here.
    named = {**tags, "mlflow.source.name": f"{project.slug} register"}
    with mlflow.start_run(experiment_id=parent, run_name=f"register {project.version}", tags=named) as active:
        _log_files(project, outputs, metrics)
        _log_data(project)
        info = mlflow.models.Model.log(
            artifact_path=None,
            name="model",
            flavor=mlflow_model,
            run_id=active.info.run_id,
            folder=project.bundle,
            # The input example is tried when the model is saved; trying it again needs MLflow's server.
            validate_serving_input=False,
        )
    # The tags are there from the first moment: the rule of others reads them.
    # MLflow tells of it on standard error, past every logger; the result says the same.
    with contextlib.redirect_stderr(io.StringIO()):
        version = mlflow.register_model(info.model_uri, name, tags=tags)
    client.update_model_version(name, str(version.version), description=project.description)
    return client.get_model_version(name, str(version.version))


def _log_files(project: Project, outputs: Path, metrics: Mapping[str, Any]) -> None:
    """Log figures of merit, plots, the raw outputs that the rule for the champion reads, and how it explains."""
    import mlflow

    signature = bundle.read_signature(project.bundle)
    mlflow.log_params({f"model.{key}": value for key, value in signature.hyperparameters.items()})
    mlflow.log_metrics({**metrics["metrics"], **metrics.get("cost", {})})
    mlflow.log_artifact(str(outputs), str(Path(OUTPUTS).parent))
    if (project.bundle / "figures").is_dir():
        mlflow.log_artifacts(str(project.bundle / "figures"), "figures")
    for name in EXPLANATION:
        if (project.bundle / name).is_file():
            mlflow.log_artifact(str(project.bundle / name), "explanation")
    if "explanation" in metrics:
        mlflow.log_dict(dict(metrics["explanation"]), "explanation/study.json")


def _log_data(project: Project) -> None:
    """Log every split with its source and a digest of its files."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.http_dataset_source import HTTPDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    for split, context in (("train", "training"), ("val", "validation"), ("test", "evaluation")):
        path = project.bundle / "provenance" / f"data-{split}.json"
        if not path.is_file():
            continue
        made = read_json(path)
        # Only what was fetched by its DOI is what the DOI means; a sample or a simulation is made in its manner.
        used = Origin.of(project, made)
        known = {"data_source": used.source, "dataset_doi": used.doi, "data_license": used.license}
        tags = {key: value for key, value in known.items() if value}
        source = (
            HTTPDatasetSource(f"https://doi.org/{used.doi}")
            if used.doi
            else CodeDatasetSource({**tags, "files": sorted(made["inputs"])})
        )
        digest = hashlib.sha256(json.dumps(sorted(made["inputs"].values())).encode()).hexdigest()[:DIGEST]
        log_input(MetaDataset(source, name=f"{project.slug} {split}", digest=digest), context=context, tags=tags)


def log_input(dataset: Dataset, *, context: str, tags: Mapping[str, str]) -> None:
    """Log data that a run used, also while others log the same data.

    MLflow looks for a data set first and inserts it then: whoever comes second in between breaks the uniqueness of its
    table, and finds the data set at the next attempt.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    for attempt in range(1, ATTEMPTS + 1):
        try:
            mlflow.log_input(dataset, context=context, tags=dict(tags))
            return
        except MlflowException as error:
            text = str(error).lower()
            if attempt == ATTEMPTS or "unique" not in text or "dataset" not in text:
                raise


def _trained_on(project: Project) -> str:
    """Return where the data came from that the model learned from."""
    return "elsewhere" if trained_elsewhere(project.bundle) else origin(project, project.bundle).source


def _tags(project: Project, metrics: Mapping[str, Any]) -> dict[str, str]:
    made = read_json(project.bundle / provenance.FILE)
    precision = bundle.read_signature(project.bundle).precision
    known = {
        "version": project.version,
        "doi": project.doi,
        "data_source": _trained_on(project),
        "dataset_doi": learned_from(project.bundle),
        "git_commit": made["git_commit"],
        "license": project.licenses.weights,
        "precision": "" if precision == SINGLE else precision,
        TEST_TAG: metrics["test_set"]["sha256"],
        BUNDLE_TAG: sha256(project.bundle / bundle.SUMS),
    }
    return {key: value for key, value in known.items() if value}
