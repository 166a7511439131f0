"""The image: really built, run, asked why, pushed to a registry, pulled, and run again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from cookiecutter.main import cookiecutter

from fair_hep import bundle
from fair_hep.bundle.errors import BundleError
from fair_hep.bundle.files import sha256
from fair_hep.bundle.session import GPU
from fair_hep.project.verify import run as verify
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.publish.archive import write_archive
from fair_hep.publish.image import PREFIX
from support.containers import Engine, engine
from support.needs import require
from support.published import copy
from support.serving import post
from support.small import NAME, PACKAGE, SOURCE, environment
from support.template import ROOT, Bake, commit

Bundled = tuple[Project, Config]


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine(tmp_path_factory.mktemp("containers")) as made:
        yield made


TITLE = """A "tagger", $HOME's `best`: 100 %"""
DOI, REPOSITORY = "10.5072/zenodo.1", "https://example.org/tagger"


def make_context(folder: Path, project: Project) -> Path:
    """Generate a project, with what it has after `export`, and with things that are nobody's business."""
    answers = {"model": project.model, "project_slug": PACKAGE}
    made = Path(
        cookiecutter(str(ROOT), no_input=True, default_config=True, extra_context=answers, output_dir=str(folder))
    )
    shutil.copytree(project.bundle, made / "bundle")
    identity = yaml.safe_load((project.root / "project.yaml").read_text(encoding="utf-8"))
    identity |= {"title": TITLE, "doi": DOI, "repository": REPOSITORY}
    (made / "project.yaml").write_text(yaml.safe_dump(identity), encoding="utf-8")
    for place in (".", "src", f"src/{PACKAGE}", "data", "vendor", ".venv"):
        (made / place).mkdir(exist_ok=True)
        (made / place / ".env").write_text("TOKEN=not-for-everybody")
        (made / place / "secret.env").write_text("TOKEN=not-for-everybody")
    return made


def make_image(containers: Engine, folder: Path, base: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `make image` as a user does."""
    command = ["make", "image", "ENGINE=podman", "REGISTRY=localhost", f"PYTHON={sys.executable}", "VENV=nowhere"]
    build = f"BUILD=--format docker --build-arg BASE_IMAGE={base} {' '.join(options)}"
    paths = {"PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1", "FAIR_HEP_PROJECT": "."}
    return subprocess.run(
        [*command, build], cwd=folder, env={**containers.environment, **paths}, capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def base(containers: Engine) -> str:
    return containers.base()


@pytest.fixture(scope="module")
def image(containers: Engine, base: str, bundled: Bundled, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the image as a user does: `make image`, in a git repository."""
    folder = make_context(tmp_path_factory.mktemp("context"), bundled[0])
    commit(folder, "one", initial=True)
    done = make_image(containers, folder, base)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return f"localhost/{PACKAGE}:0.1.0"


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
        assert [entry["status"] for entry in logged if entry.get("path") == "/invocations"] == [200, 400]
        assert logged[-1]["event"] == "stopped"


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
    with pytest.raises(BundleError, match="image gave no answer: --image: `podman create` failed"):
        verify(project, image="localhost/nothing:1")
    assert "--image: `podman create` failed" in (project.root / "runs/verify/image.txt").read_text()


@pytest.mark.slow
def test_the_image_is_small_labelled_and_holds_no_secret(containers: Engine, image: str, base: str) -> None:
    (told,) = json.loads(containers("inspect", image))
    label = {name.removeprefix(PREFIX): value for name, value in told["Labels"].items() if name.startswith(PREFIX)}
    assert re.fullmatch(r"[0-9a-f]{40}", label.pop("revision"))
    assert label == {
        "title": TITLE,
        "description": "A tagger for tests",
        "version": "0.1.0",
        # Code, weights, and the sample that the stored examples come from.
        "licenses": "MIT AND CC-BY-4.0 AND CC0-1.0",
        "authors": "Lovelace, Ada",
        "documentation": f"https://doi.org/{DOI}",
        "source": REPOSITORY,
    }
    assert "8080/ping" in json.dumps(told)
    (below,) = json.loads(containers("inspect", base))
    assert told["Size"] - below["Size"] < 300 * 10**6
    listed = containers(
        "run", "--rm", image, "python3", "-c",
        "import importlib.util, pathlib; print([n for n in ('torch', 'mlflow', 'pandas', 'pip') "
        f"if importlib.util.find_spec(n)], [p for n in ('secret.env', '.env', 'sample', '.git', '*.whl', '{PACKAGE}') "
        "for p in pathlib.Path('/srv').rglob(n)])",
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
def test_the_image_for_gpus_answers_without_one_too(
    containers: Engine, base: str, bundled: Bundled, tmp_path: Path
) -> None:
    folder = make_context(tmp_path, bundled[0])
    done = make_image(containers, folder, base, "--build-arg ONNXRUNTIME=onnxruntime-gpu", "--tag localhost/gpu")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    asked = "import onnxruntime; print(*onnxruntime.get_available_providers())"
    assert GPU in containers("run", "--rm", "localhost/gpu", "python3", "-c", asked)
    with containers.running("localhost/gpu") as (url, name):
        same_answers(url, bundled[0])
        said = subprocess.run(
            ["podman", "logs", name], env=containers.environment, capture_output=True, text=True, check=True
        )
        assert said.stderr.count("no GPU can be used: computing on the CPU") == 1, said.stderr


@pytest.mark.slow
def test_a_damaged_bundle_becomes_no_image(containers: Engine, base: str, bundled: Bundled, tmp_path: Path) -> None:
    folder = make_context(tmp_path, bundled[0])
    (folder / "bundle" / "README.md").write_text("changed")
    done = make_image(containers, folder, base)
    assert done.returncode != 0
    assert "README.md changed" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("nothing", "can't be run"),
        ("version", "has version 0.1.0, project.yaml 9.9.9"),
        ("bundle", "run `export` first"),
    ],
)
def test_what_becomes_no_image_is_one_line(bundled: Bundled, tmp_path: Path, change: str, says: str) -> None:
    folder = make_context(tmp_path, bundled[0])
    if change == "version":
        text = (folder / "project.yaml").read_text().replace("0.1.0", "9.9.9")
        (folder / "project.yaml").write_text(text)
    elif change == "bundle":
        shutil.rmtree(folder / "bundle")
    done = subprocess.run(
        [sys.executable, "-m", "fair_hep.publish.image", "no-such-engine", "build", "."],
        cwd=folder, env={**environment(bundled[0]), "FAIR_HEP_PROJECT": "."}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


@pytest.mark.slow
def test_the_image_holds_the_library_of_the_wheel_and_not_the_project(containers: Engine, image: str) -> None:
    asked = (
        "import importlib.util; from fair_hep.provenance.library import installed; "
        f"print(installed().sha256, importlib.util.find_spec('{PACKAGE}'))"
    )
    told = containers("run", "--rm", image, "python3", "-c", asked)
    assert re.fullmatch(r"[0-9a-f]{64} None", told.splitlines()[-1]), told


def test_the_workflow_takes_what_publish_made(bundled: Bundled, bake: Bake, tmp_path: Path) -> None:
    """The archive in ``dist/`` becomes the bundle that the workflow builds from; only the download itself isn't run."""
    project = bake(model=NAME, project_slug=PACKAGE)
    workflow = yaml.safe_load((project / ".github" / "workflows" / "image.yml").read_text())
    (script,) = (
        s["run"] for s in workflow["jobs"]["image"]["steps"] if s.get("name", "").startswith("Fetch the bundle")
    )
    lines = [line for line in script.splitlines() if not line.startswith("gh release download ")]
    assert len(lines) == len(script.splitlines()) - 1
    shutil.copy(project / "Makefile", tmp_path)
    archive = tmp_path / "dist" / f"{PACKAGE}-0.1.0.zip"
    archive.parent.mkdir()
    write_archive(bundled[0].bundle, archive)
    (archive.parent / f"{archive.name}.sha256").write_text(f"{sha256(archive)}  {archive.name}\n")
    settings = {"TAG": "v0.1.0", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["bash", "-euo", "pipefail", "-c", "\n".join(lines)]
    done = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert bundle.check_files(tmp_path / "bundle") == bundle.check_files(bundled[0].bundle)


@pytest.mark.parametrize("name", ["Dockerfile", "workflow/Dockerfile"])
def test_the_dockerfile_is_clean(project: Path, name: str) -> None:
    text = (project / name).read_text()
    hadolint = Path(sys.executable).parent / "hadolint"
    require(hadolint.is_file(), "hadolint is not installed")
    done = subprocess.run([str(hadolint), "-"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
