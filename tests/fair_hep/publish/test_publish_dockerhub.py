"""A copy at a registry: first said, then pushed for real by the engine's own client, and pulled by a stranger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fair_hep.bundle.errors import ConfigError, MissingStepError, ServiceError
from fair_hep.provenance.project import Project
from fair_hep.publish import dockerhub
from support.containers import Engine, engine
from support.small import make_project


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine(tmp_path_factory.mktemp("containers")) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


@pytest.mark.slow
def test_an_image_is_named_then_pushed_then_pulled(
    containers: Engine, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in containers.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ENGINE", "podman")
    (tmp_path / "content").write_text("a bundle")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nARG VERSION\nCOPY content /\n"
                                         'LABEL org.opencontainers.image.version="${VERSION}"\n')  # fmt: skip
    with containers.registry() as address:
        to = f"{address}/ada/tagger"
        with pytest.raises(MissingStepError, match=f"run `make image REGISTRY={address} NAMESPACE=ada` first"):
            dockerhub.run(project, to, send=False)
        for version in ("0.0.9", "0.1.0"):
            options = ("--no-cache", "--format", "docker", "--build-arg", f"VERSION={version}", "-t", f"{to}:0.1.0")
            containers("build", "-q", *options, str(tmp_path))
            if version != project.version:
                with pytest.raises(ServiceError, match=r"says version 0\.0\.9, project\.yaml 0\.1\.0"):
                    dockerhub.run(project, to, send=False)
        said = dockerhub.run(project, to, send=False)
        assert said["image"] == f"{to}:0.1.0"
        assert said["bytes"] > 0
        assert any(
            line.startswith(f"would run: podman push --tls-verify=false {to}:0.1.0") for line in said["headline"]
        )
        containers("tag", f"{to}:0.1.0", "localhost/kept")
        containers("rmi", f"{to}:0.1.0")
        containers("pull", "-q", "--tls-verify=false", f"{to}:0.1.0", check=False)
        assert containers("images", "-q", f"{to}:0.1.0") == ""  # nothing was sent by saying it
        containers("tag", "localhost/kept", f"{to}:0.1.0")
        assert dockerhub.run(project, to, send=True)["sent"]
        containers("rmi", "-f", f"{to}:0.1.0", "localhost/kept")
        containers("pull", "-q", "--tls-verify=false", f"{to}:0.1.0")
        assert containers("inspect", "--format", "{{.Id}}", f"{to}:0.1.0") == said["id"]
    with pytest.raises(ServiceError, match="not pushed; are you logged in"):
        dockerhub.run(project, to, send=True)


def test_without_an_engine_it_is_one_line(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE", "no-such-engine")
    with pytest.raises(ServiceError, match="no-such-engine isn't installed: install one, or name it in ENGINE"):
        dockerhub.run(project, "ada/tagger", send=False)


@pytest.mark.parametrize(
    "to", [None, "", "tagger", "Ada/Tagger", "ada/tagger:1.0", "https://docker.io/ada/x", "ada/x y"]
)
def test_a_name_that_cannot_be_one_is_refused(project: Project, to: str | None) -> None:
    with pytest.raises(ConfigError, match="--to: got"):
        dockerhub.run(project, to, send=False)
