"""The image: really built, run, asked why, pushed to a registry, pulled, and run again."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from .. import bundle
from ..config import Config
from ..errors import BundleError
from ..project import Project
from ..verify.verb import run as verify
from .containers import Engine, engine
from .needs import require
from .published import copy
from .small import PACKAGE, SOURCE
from .test_server import post

ROOT = SOURCE.parent
Bundled = tuple[Project, Config]


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine(tmp_path_factory.mktemp("containers")) as made:
        yield made


@pytest.fixture(scope="module")
def image(containers: Engine, bundled: Bundled, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the image in a folder that has what a project has after `export`."""
    context = tmp_path_factory.mktemp("context") / "project"
    context.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "Dockerfile"):
        shutil.copy(ROOT / name, context / name)
    shutil.copytree(SOURCE, context / "src", ignore=shutil.ignore_patterns("tests", "sample", "__pycache__"))
    shutil.copytree(bundled[0].bundle, context / "bundle")
    (context / "secret.env").write_text("TOKEN=not-for-everybody")
    arguments = {"BASE_IMAGE": containers.base(), "VERSION": "0.1.0", "REVISION": "abc", "DOI": "10.5072/zenodo.1"}
    options = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
    containers("build", "-q", "--format", "docker", *options, "-t", "localhost/model:0.1.0", str(context))
    return "localhost/model:0.1.0"


def same_answers(url: str, project: Project) -> None:
    """Compare what a server says, and why, with what the bundle has stored."""
    inputs = json.loads((project.bundle / bundle.REQUEST).read_text())["inputs"]
    status, answer = post(url, {"inputs": inputs, "params": {"explain": True}})
    assert status == 200
    outputs = bundle.read_arrays(project.bundle / "examples/outputs.npz")
    stored = bundle.read_arrays(project.bundle / "examples/relevance.npz")["relevance"]
    doubtful = bundle.read_examples(project.bundle).unsteady
    for number, given in enumerate(answer["predictions"]):
        for name, values in outputs.items():
            wanted = values[number][: len(given[name])] if values.ndim > 2 else values[number]
            assert np.allclose(given[name], wanted, rtol=1e-4, atol=1e-4)
        if number not in doubtful:
            relevance = np.array(given["relevance"])
            wanted = stored[number, : len(relevance)]
            assert np.abs(relevance - wanted).max() <= 5e-3 * np.abs(wanted).max()


@pytest.mark.slow
def test_the_image_serves_explains_and_stops(containers: Engine, image: str, bundled: Bundled) -> None:
    started = time.monotonic()
    with containers.running(image, "--memory", "1g") as (url, name):
        assert time.monotonic() - started < 30
        same_answers(url, bundled[0])
        assert post(url, b"{")[0] == 400
        assert containers("exec", name, "id", "-u") == "10001"
        written = subprocess.run(
            ["podman", "exec", name, "touch", "/srv/x"], env=containers.environment, capture_output=True, check=False
        )
        assert written.returncode != 0
        containers("stop", "-t", "20", name)
        (state,) = json.loads(containers("inspect", name))
        assert state["State"]["ExitCode"] in (0, 143)
        logged = [json.loads(line) for line in containers("logs", name).splitlines() if line.startswith("{")]
        assert [entry["status"] for entry in logged] == [200, 400]


@pytest.mark.slow
def test_the_image_is_the_fourth_face_and_leaves_no_container(
    containers: Engine, image: str, bundled: Bundled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"):
        monkeypatch.setenv(name, containers.environment[name])
    monkeypatch.setenv("ENGINE", "podman")
    found = verify(bundled[0], image=image)
    checks = [check for check in found["checks"] if check["face"] == "image"]
    assert {check["output"] for check in checks} >= {"logits", "probabilities", "relevance"}
    assert all(check["passed"] for check in checks)
    assert not any("image" in line for line in found["not_asked"])
    assert containers("ps", "-a", "-q") == ""
    project, _ = copy(bundled, tmp_path / "project")
    with pytest.raises(BundleError, match="image: everything"):
        verify(project, image="localhost/nothing:1")
    assert "--image: `podman create` failed" in (project.root / "runs/verify/image.txt").read_text()


@pytest.mark.slow
def test_the_image_is_small_labelled_and_holds_no_secret(containers: Engine, image: str) -> None:
    (told,) = json.loads(containers("inspect", image))
    labels = told["Labels"]
    assert labels["org.opencontainers.image.version"] == "0.1.0"
    assert labels["org.opencontainers.image.documentation"] == "10.5072/zenodo.1"
    assert labels["org.opencontainers.image.licenses"]
    assert "8080/ping" in json.dumps(told)
    (base,) = json.loads(containers("inspect", containers("images", "-q", "localhost/python:3.11").split()[0]))
    assert told["Size"] - base["Size"] < 600 * 10**6
    listed = containers(
        "run", "--rm", image, "python3", "-c",
        "import importlib.util, pathlib; print([n for n in ('torch', 'mlflow', 'pandas', 'pip') "
        "if importlib.util.find_spec(n)], list(pathlib.Path('/').rglob('secret.env')))",
    )  # fmt: skip
    assert listed.splitlines()[-1] == "[] []"


@pytest.mark.slow
def test_what_is_pushed_comes_back_and_gives_the_same(containers: Engine, image: str, bundled: Bundled) -> None:
    with containers.registry() as address:
        there = f"{address}/fair-hep/model:0.1.0"
        containers("tag", image, there)
        containers("push", "-q", "--tls-verify=false", there)
        containers("rmi", there)
        containers("pull", "-q", "--tls-verify=false", there)
        with containers.running(there) as (url, _):
            same_answers(url, bundled[0])


@pytest.mark.slow
def test_a_damaged_bundle_becomes_no_image(containers: Engine, image: str, bundled: Bundled, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "Dockerfile"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("tests", "sample", "__pycache__"))
    shutil.copytree(bundled[0].bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "README.md").write_text("changed")
    options = ("--format", "docker", "--build-arg", "BASE_IMAGE=localhost/python:3.11", "--build-arg", "VERSION=0.1.0")
    done = subprocess.run(
        ["podman", "build", *options, str(tmp_path)], env=containers.environment, capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode != 0
    assert "README.md changed" in done.stdout + done.stderr


def test_the_dockerfile_is_clean() -> None:
    # In the template the name of the project is still to be filled in.
    text = re.sub(r"\{\{.*?\}\}", PACKAGE, (ROOT / "Dockerfile").read_text())
    hadolint = Path(sys.executable).parent / "hadolint"
    require(hadolint.is_file(), "hadolint is not installed")
    done = subprocess.run([str(hadolint), "-"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
