"""Files that run an image: valid by the definitions of others, confined, and alike in a cluster and on one machine."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from fair_hep.bundle.errors import ConfigError
from fair_hep.bundle.runtime import load
from fair_hep.project import publish
from fair_hep.provenance.project import Project
from fair_hep.publish import kubernetes
from fair_hep.serve.access import Access
from fair_hep.serve.app import Served
from fair_hep.serve.limits import Limits
from support import operators
from support.kept import kept
from support.small import make_project
from support.template import ROOT

DEFINITIONS = ROOT / "tests" / "definitions"
CORE = ("deployment.yaml", "service.yaml", "autoscaler.yaml")
PODS = {"deployment.yaml": ("spec", "template", "spec"), "inferenceservice.yaml": ("spec", "predictor")}
DOCKERFILE = (ROOT / "{{cookiecutter.project_slug}}" / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_project(tmp_path_factory.mktemp("kubernetes") / "project")


@pytest.fixture(scope="module")
def folder(project: Project) -> Path:
    kubernetes.run(project, project.root / "served", "ada/top_tagger")
    return project.root / "served"


@pytest.fixture(scope="module")
def objects(folder: Path) -> dict[str, Any]:
    return {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in folder.iterdir()}


def strict(schema: Any) -> Any:
    """Return a schema of Kubernetes that refuses fields which a cluster would silently leave out."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:  # the head of an object; its definition is the cluster's
        return {"type": "object"}
    found = {key: strict(value) for key, value in schema.items()}
    open_ended = found.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in found
    if found.get("type") == "object" and isinstance(found.get("properties"), dict) and not open_ended:
        found["additionalProperties"] = False
    return found


def problems(file: str, value: Any) -> list[str]:
    schema = json.loads((DEFINITIONS / file).read_text(encoding="utf-8"))
    if file != "compose-spec.json":  # which refuses unknown fields by itself
        schema = strict(schema)
    return [error.message[:200] for error in jsonschema.Draft7Validator(schema).iter_errors(value)]


def faulty(value: Any, *path: str | int, to: Any) -> Any:
    """Return a copy with one thing changed."""
    changed = copy.deepcopy(value)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return changed


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_own_schemas_take_the_core_kinds(folder: Path, objects: dict[str, Any], version: str) -> None:
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in CORE}
    wrong = {
        "misspelt": faulty(objects["deployment.yaml"], "spec", "template", "spec", "runAsNonRoot", to=True),
        "no number": faulty(objects["service.yaml"], "spec", "ports", 0, "port", to="http"),
        "no metric": faulty(objects["autoscaler.yaml"], "spec", "metrics", 0, "pods", "metric", to={}),
    }
    found = operators.ask(
        "core_kinds", {"version": version, "texts": {**texts, **{name: json.dumps(one) for name, one in wrong.items()}}}
    )
    assert set(found) == set(wrong), found


@pytest.mark.parametrize(
    ("definition", "file", "wrong"),
    [
        ("inferenceservice.json", "inferenceservice.yaml", ("spec", "predictor", "minReplica")),
        ("inferenceservice.json", "inferenceservice.yaml", ("spec", "predictor", "containers", 0, "readinessprobe")),
        ("servicemonitor.json", "monitor.yaml", ("spec", "endpoints", 0, "timeout")),
        ("compose-spec.json", "compose.yaml", ("services", "top-tagger", "readonly")),
    ],
)
def test_the_definitions_of_others_take_the_rest(
    objects: dict[str, Any], definition: str, file: str, wrong: tuple[str | int, ...]
) -> None:
    assert problems(definition, objects[file]) == []
    assert len(problems(definition, faulty(objects[file], *wrong, to=1))) == 1


@pytest.mark.parametrize("file", PODS)
def test_every_container_is_confined(objects: dict[str, Any], file: str) -> None:
    """Keeps to the restricted profile of Kubernetes' Pod Security Standards, and can write nowhere but in /tmp."""
    pod = objects[file]
    for key in PODS[file]:
        pod = pod[key]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "privileged": False, "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    assert [set(volume) for volume in pod["volumes"]] == [{"name", "emptyDir"}]
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    # As many passes as cores: what a server sees are the node's.
    assert container["env"] == [{"name": "SERVE_PARALLEL", "value": container["resources"]["limits"]["cpu"]}]
    assert {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")} == {"/health/live"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": "http"}


def test_they_fit_the_image(objects: dict[str, Any]) -> None:
    """Port, user and the folder that can be written to are those of the Dockerfile."""
    pod = objects["deployment.yaml"]["spec"]["template"]["spec"]
    port = pod["containers"][0]["ports"][0]["containerPort"]
    assert f"EXPOSE {port}\n" in DOCKERFILE
    assert f"USER {pod['securityContext']['runAsUser']}\n" in DOCKERFILE
    server = objects["compose.yaml"]["services"]["top-tagger"]
    assert server["user"] == f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert server["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert (server["read_only"], server["cap_drop"]) == (True, ["ALL"])
    assert server["image"] == pod["containers"][0]["image"] == "docker.io/ada/top_tagger:0.1.0"


def test_they_find_each_other(objects: dict[str, Any]) -> None:
    """Whatever selects finds what it selects, by the same names and ports."""
    labels = objects["deployment.yaml"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        objects["deployment.yaml"]["spec"]["selector"]["matchLabels"],
        objects["service.yaml"]["spec"]["selector"],
    ]
    assert all(one and one.items() <= labels.items() for one in selectors)
    (port,) = objects["service.yaml"]["spec"]["ports"]
    assert port["targetPort"] == "http"
    (endpoint,) = objects["monitor.yaml"]["spec"]["endpoints"]
    assert endpoint["port"] == port["name"]
    assert objects["monitor.yaml"]["spec"]["selector"]["matchLabels"].items() <= (
        objects["service.yaml"]["metadata"]["labels"].items()
    )
    target = objects["autoscaler.yaml"]["spec"]["scaleTargetRef"]
    head = objects["deployment.yaml"]
    assert (target["apiVersion"], target["kind"], target["name"]) == (
        head["apiVersion"], head["kind"], head["metadata"]["name"]
    )  # fmt: skip
    # A selector that holds the version could never be changed.
    assert not any("0.1.0" in one.values() for one in selectors)
    assert "replicas" not in objects["deployment.yaml"]["spec"]  # they are the autoscaler's
    assert all((name in objects) for name in objects["kustomization.yaml"]["resources"])


def test_the_autoscaler_asks_for_a_metric_of_the_server(objects: dict[str, Any], tmp_path: Path) -> None:
    """Is a gauge at the address that the monitor asks, and one container has room for more than the average."""
    (metric,) = objects["autoscaler.yaml"]["spec"]["metrics"]
    limits = Limits.read({})
    served = Served([load(kept("third_party", tmp_path), threads=1)], limits, Access())
    text = served.metrics.text()[0].decode()
    assert f"# TYPE {metric['pods']['metric']['name']} gauge" in text
    assert 0 < int(metric["pods"]["target"]["averageValue"]) < limits.queue
    known = {route.path for route in served.routes()}
    assert objects["monitor.yaml"]["spec"]["endpoints"][0]["path"] in known
    container = objects["deployment.yaml"]["spec"]["template"]["spec"]["containers"][0]
    assert {
        container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    } <= known


def test_the_server_starts_with_the_memory_that_it_gets(objects: dict[str, Any]) -> None:
    """A gibibyte is enough for the limits that it sets itself."""
    container = objects["deployment.yaml"]["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["memory"] == "1Gi"
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert Limits.read(variables, memory=2**30).parallel == int(container["resources"]["limits"]["cpu"])
    assert Limits.read(variables, memory=2**29).megabytes > 1  # what is requested


def test_the_end_leaves_time_to_answer(objects: dict[str, Any]) -> None:
    """A cluster waits for the drain, and for the server's own 10 s."""
    pod = objects["deployment.yaml"]["spec"]["template"]["spec"]
    command = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    drained = int(command[-1].partition("(")[2].rstrip(")"))
    assert pod["terminationGracePeriodSeconds"] >= drained + 10
    assert objects["compose.yaml"]["services"]["top-tagger"]["stop_grace_period"] == "15s"


def test_the_how_to_names_all_of_it(objects: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "how-tos" / "serve-on-kubernetes.md").read_text(encoding="utf-8")
    listed = text.partition("| file | for |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+\.yaml)`", listed)) == set(objects)
    (metric,) = objects["autoscaler.yaml"]["spec"]["metrics"]
    words = f"on `{metric['pods']['metric']['name']}`: another container where more than "
    assert f"{words}{metric['pods']['target']['averageValue']} requests wait" in text


def test_the_same_project_gives_the_same_bytes(project: Project, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "overlay.yaml").write_text("mine")
    publish.run(project, target="kubernetes", folder=folder, to="ada/top_tagger")
    (folder / "overlay.yaml").unlink()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_digest_takes_the_place_of_the_tag(project: Project, tmp_path: Path) -> None:
    digest = "sha256:" + 64 * "a"
    done = kubernetes.run(project, tmp_path, f"registry.example:5000/ada/top_tagger@{digest}")
    assert done["image"] == f"registry.example:5000/ada/top_tagger@{digest}"


@pytest.mark.parametrize(
    "to", [None, "", "top_tagger", "ada/top_tagger:0.1.0", "ada/Top", "ada/x@sha256:12", "ada/x y", "ada/x\nkind: Pod"]
)
def test_what_names_no_image_is_refused(project: Project, tmp_path: Path, to: str | None) -> None:
    with pytest.raises(ConfigError, match=r"--to: got .*, expected the name of an image without a tag"):
        kubernetes.run(project, tmp_path / "out", to)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("slug", ["9lives", "_", "x" * 51, "../x", "naïve"])
def test_a_slug_that_names_nothing_in_a_cluster_is_refused(project: Project, tmp_path: Path, slug: str) -> None:
    with pytest.raises(ConfigError, match=r"slug: got .*, and a cluster names things by at most 50 letters"):
        kubernetes.run(project.model_copy(update={"slug": slug}), tmp_path / "out", "ada/x")


def test_words_of_a_project_stay_words(project: Project, tmp_path: Path) -> None:
    """Titles and versions of any kind change no structure, and labels stay labels."""
    odd = {"title": 'a: "b"\n---\nkind: Pod # \u2028 {{ x }}', "version": "1.0+Ä/" + 80 * "x", "doi": "10.5072/x: y"}
    kubernetes.run(project.model_copy(update=odd), tmp_path, f"ada/x@sha256:{64 * '0'}")
    for name in CORE:
        (found,) = yaml.safe_load_all((tmp_path / name).read_text(encoding="utf-8"))
        label = found["metadata"]["labels"]["app.kubernetes.io/version"]
        assert len(label) <= 63
        assert label[-1].isalnum()
        assert found["metadata"]["annotations"]["fair-hep/title"] == odd["title"]


def test_a_folder_is_asked_for_where_one_is_written(project: Project, tmp_path: Path) -> None:
    for target in ("triton", "kubernetes"):
        with pytest.raises(ConfigError, match=f"publish {target}: got no folder, expected one to write to"):
            publish.run(project, target=target, to="ada/x")
    with pytest.raises(ConfigError, match=r"publish prepare: got 'x=1', expected nothing behind prepare"):
        publish.run(project, target="prepare", folder=Path("x=1"))
