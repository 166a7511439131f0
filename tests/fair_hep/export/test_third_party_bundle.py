"""A graph of others without its source: published as it is, verified, served, and honest about what is missing."""

from __future__ import annotations

import csv
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from fair_hep import bundle
from fair_hep.bundle.errors import BundleError, ConfigError, DataError, ExplainError, MissingStepError, ProjectError
from fair_hep.bundle.files import read_json
from fair_hep.bundle.runtime import load
from fair_hep.describe.index import run as index
from fair_hep.describe.origin import learned_from
from fair_hep.describe.write import refresh
from fair_hep.fair.evidence import Case, State, perform
from fair_hep.project.bundle import run
from fair_hep.project.fair import CHECKS
from fair_hep.project.predict import run as predict
from fair_hep.project.publish import run as publish
from fair_hep.project.register import run as register
from fair_hep.project.report import run as report
from fair_hep.project.verify import run as verify
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.command import command
from support.complete import complete
from support.crates import crate_problems
from support.serving import serving
from support.small import make_config, make_project

Made = tuple[Project, Config]
WEIGHTS = np.array([[1.0, -2.0], [0.5, 0.25], [3.0, 1e-3]])
ABOUT: dict[str, Any] = {
    "title": "A sum of others", "summary": "Adds up what nobody else would.", "license": "CC0-1.0",
    "doi": "10.5281/zenodo.4242", "limits": ["Made for a test."],
    "inputs": {
        "x": {"meaning": "three lengths", "unit": "m", "axes": ["things", "side"], "columns": ["a", "b", "c"]},
        "n": {"meaning": "how many", "unit": "1"},
    },
    "outputs": {"y": {"meaning": "two sums", "unit": "m"}, "twice": {"meaning": "twice as many", "unit": "1"}},
    "training": {"trained_by": ["Curie, Marie"], "dataset_doi": "10.5281/zenodo.999"},
}  # fmt: skip


def graph(**changes: Any) -> onnx.ModelProto:
    """Return a tiny graph: numbers in double precision and whole ones, of rank 2 and 1."""
    size = changes.get("first", "N")
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.DOUBLE, [size, 3]),
        helper.make_tensor_value_info("n", TensorProto.INT64, [size]),
    ]
    outputs = [
        helper.make_tensor_value_info("y", TensorProto.DOUBLE, [size, 2]),
        helper.make_tensor_value_info("twice", TensorProto.INT64, [size]),
    ]
    nodes = [
        helper.make_node("Cast", ["n"], ["number"], to=TensorProto.DOUBLE),
        helper.make_node("Unsqueeze", ["number", "one"], ["column"]),
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "column"], ["y"]),
        helper.make_node("Add", ["n", "n"], ["twice"]),
        *changes.get("nodes", []),
    ]
    held = [numpy_helper.from_array(WEIGHTS, "w"), numpy_helper.from_array(np.array([1]), "one")]
    made = helper.make_graph(nodes, "tiny", inputs, [*outputs, *changes.get("outputs", [])], held)
    opsets = [helper.make_opsetid("", changes.get("opset", 18)), *changes.get("domains", [])]
    return helper.make_model(made, opset_imports=opsets, ir_version=9)


def values(count: int = 5, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {"x": generator.normal(size=(count, 3)), "n": generator.integers(0, 9, count)}


def answers(given: dict[str, np.ndarray]) -> np.ndarray:
    return np.asarray(given["x"] @ WEIGHTS + given["n"][:, None])


def files(project: Project, model: onnx.ModelProto | None = None, **arrays: Any) -> dict[str, Path]:
    """Write a graph and examples as others do."""
    folder = project.root / "theirs"
    folder.mkdir(exist_ok=True)
    (folder / "tiny.onnx").write_bytes((model or graph()).SerializeToString())
    np.savez(folder / "inputs.npz", **(arrays or values()))
    return {"onnx": folder / "tiny.onnx", "examples": folder / "inputs.npz"}


def about(project: Project, told: dict[str, Any]) -> Path:
    path = project.root / "theirs" / "about.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(told))
    return path


@pytest.fixture
def made(tmp_path: Path) -> Made:
    project = make_project(tmp_path / "project")
    return project, make_config(project)


@pytest.fixture(scope="module")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Made:
    project = complete(make_project(tmp_path_factory.mktemp("third_party") / "project"))
    config = make_config(project)
    result = run(project, config, about=about(project, ABOUT), **files(project))
    assert len(result["missing"]) == 4
    return project, config


# --- what it is -----------------------------------------------------------------------------------------------------


def test_the_copy_is_the_same_and_the_signature_is_that_of_the_graph(third_party: Made) -> None:
    project, _ = third_party
    assert (project.bundle / bundle.MODEL).read_bytes() == (project.root / "theirs" / "tiny.onnx").read_bytes()
    found = bundle.read_signature(project.bundle)
    assert (found.foreign, found.features, found.target, found.explained, found.opset) == (True, None, [], None, 18)
    x, n = found.inputs
    assert (x.axes, x.dynamic, x.sizes, x.dtype) == (("things", "side"), ("things",), {"side": 3}, "float64")
    assert (n.axes, n.dtype, n.meaning) == (("things",), "int64", "how many")
    y, twice = found.outputs
    assert (y.axes[0], y.sizes, y.dtype) == ("things", {y.axes[1]: 2}, "float64")
    assert (twice.axes, twice.dtype) == (("things",), "int64")


def test_what_nobody_told_is_unknown(made: Made) -> None:
    project, config = made
    run(project, config, **files(project))
    found = bundle.read_signature(project.bundle)
    assert found.title == "tiny.onnx"
    assert {spec.meaning for spec in (*found.inputs, *found.outputs)} == {bundle.UNKNOWN}
    assert {spec.unit for spec in (*found.inputs, *found.outputs)} == {bundle.UNKNOWN}
    assert found.inputs[0].axes == ("N", "x_1")
    card = (project.bundle / "README.md").read_text()
    assert "Nothing is known of the training" in card
    assert "What it is for isn't known" in card
    assert learned_from(project.bundle) is None


def test_it_answers_any_number_of_examples_in_any_form(third_party: Made) -> None:
    model = load(third_party[0].bundle)
    given = values(200, seed=1)
    found = model.predict(given)
    np.testing.assert_allclose(found["y"], answers(given), rtol=1e-12)
    assert found["y"].dtype == np.float64
    assert (found["twice"] == 2 * given["n"]).all()
    assert found["twice"].dtype == np.int64
    lists = {"x": given["x"][:3].tolist(), "n": given["n"][:3].tolist()}
    np.testing.assert_array_equal(model.predict(lists)["y"], found["y"][:3])
    each = model.predict_each(given)
    assert len(each) == 200
    np.testing.assert_allclose(each[7]["y"], found["y"][7], rtol=1e-12)
    assert all(check.passed for check in model.verify())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.pop("n"), "expected x, n"),
        (lambda v: v.update(n=v["n"][:2]), "different numbers of things"),
        (lambda v: v.update(x=v["x"][:, :2]), r"x\[0\]: got shape \[2\], expected \[3\]"),
        (lambda v: v.update(n=v["n"] + 0.5), r"n\[0\]: got numbers that int64 can't hold"),
        (lambda v: v.update(x=v["x"] * np.nan), r"x\[0\].*expected a finite number"),
        (lambda v: v.update(x="text"), "x: got str"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(third_party: Made, change: Callable[[Any], Any], words: str) -> None:
    given: dict[str, Any] = dict(values())
    change(given)
    with pytest.raises(DataError, match=words):
        load(third_party[0].bundle).predict(given)


def test_explain_says_why_there_is_none(third_party: Made) -> None:
    with pytest.raises(BundleError, match="made from an ONNX file without its source"):
        load(third_party[0].bundle).explain(values())


def test_a_graph_with_room_for_one_example_answers_them_one_by_one(made: Made) -> None:
    project, config = made
    run(project, config, **files(project, graph(first=1)))
    given = values(7, seed=3)
    np.testing.assert_allclose(load(project.bundle).predict(given)["y"], answers(given), rtol=1e-12)
    verify(project, config)


# --- every verb -----------------------------------------------------------------------------------------------------


def test_verify_passes_and_says_what_it_could_not_try(third_party: Made) -> None:
    told = "\n".join(verify(*third_party)["headline"])
    assert "PyTorch: no weights apart from the graph, not tried" in told
    assert "no explanation: this bundle was made from an ONNX file" in told


@pytest.mark.parametrize("name", [bundle.MODEL, bundle.SIGNATURE, "examples/outputs.npz"])
def test_verify_finds_damage(third_party: Made, tmp_path: Path, name: str) -> None:
    from support.published import copy

    project, config = copy(third_party, tmp_path / "project")
    path = project.bundle / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ProjectError):
        verify(project, config)


def test_a_bundle_of_ones_own_without_weights_is_not_taken_for_third_party(bundled: Made, tmp_path: Path) -> None:
    from support.published import copy

    project, _ = copy(bundled, tmp_path / "project")
    (project.bundle / bundle.WEIGHTS).unlink()
    lines = (project.bundle / bundle.SUMS).read_text().splitlines(keepends=True)
    (project.bundle / bundle.SUMS).write_text("".join(line for line in lines if bundle.WEIGHTS not in line))
    with pytest.raises(BundleError, match=r"weights\.safetensors missing"):
        bundle.check_files(project.bundle)


def test_the_server_answers_and_refuses(third_party: Made) -> None:
    project, config = third_party
    request = (project.bundle / bundle.REQUEST).read_bytes()
    with serving(project) as (url, _):
        found = _post(url, request)
        stored = np.load(project.bundle / "examples/outputs.npz")
        np.testing.assert_allclose(found["predictions"][1]["y"], stored["y"][1], rtol=1e-12)
        assert "problem" not in verify(project, config, url=url)
        asked = json.dumps({**json.loads(request), "params": {"explain": True}}).encode()
        with pytest.raises(urllib.error.HTTPError) as refused:
            _post(url, asked)
        assert refused.value.code == 400
        assert "without its source" in json.loads(refused.value.read())["message"]


def _post(url: str, body: bytes) -> Any:
    with urllib.request.urlopen(urllib.request.Request(f"{url}/invocations", body), timeout=60) as answer:
        return json.loads(answer.read())


def test_publish_prepares_an_archive_and_its_metadata(third_party: Made, tmp_path: Path) -> None:
    from support.published import copy

    project, config = copy(third_party, tmp_path / "project")
    result = publish(project, config)
    assert (project.root / result["archive"]).stat().st_size > 1000
    record = read_json(project.root / "dist" / "datacite.json")
    assert "safetensors" not in record["formats"]
    assert verify(project, config)["files"] > 10
    assert not refresh(project), "the same facts gave other bytes"


def test_descriptions_say_what_is_known_and_no_more(third_party: Made, tmp_path: Path) -> None:
    folder = third_party[0].bundle
    card = (folder / "README.md").read_text()
    for words in (
        "## What is missing", "No explanation", "No weights apart from the graph", "No evaluation",
        "three lengths", "by: Curie, Marie", "File: tiny.onnx (SHA-256", "Made for a test.", "10.5281/zenodo.4242",
    ):  # fmt: skip
        assert words in card, words
    for words in ("explainable", "layer-wise-relevance", "graph-ml", "1902.08570", "weights.safetensors"):
        assert words not in card, words
    model = read_json(folder / "fair4ml.json")
    assert "hep:explainedBy" not in model
    assert "fair4ml:testedOn" not in model
    assert "Curie" in model["hep:trainedElsewhere"]
    assert learned_from(folder) == "10.5281/zenodo.999"
    assert not (folder / "croissant.json").exists()
    crate = {entity["@id"]: entity for entity in read_json(folder / "ro-crate-metadata.json")["@graph"]}
    assert [name for name in crate if name.startswith("#run-")] == ["#run-bundle"]
    assert crate_problems(folder, tmp_path, "-p", "ro-crate-1.2") == []
    text = "".join(path.read_text() for path in folder.rglob("*.json"))
    assert str(third_party[0].root) not in text


def test_fair_fails_where_something_is_missing_and_says_what_to_do(third_party: Made) -> None:
    case = Case(third_party[0])
    for name in ("checksums", "examples", "graph", "signature", "formats", "paths", "card", "datacite"):
        found = perform(CHECKS[name], case)
        assert found.state == State.PASSED, found
    lacking = ("provenance", "data_provenance", "training", "evaluation", "croissant", "fair4ml", "graph_metadata")
    rows = {name: perform(CHECKS[name], case) for name in lacking}
    assert {str(row.state) for row in rows.values()} == {"failed"}
    assert "ONNX model of others" in rows["training"].did
    assert "`import`" in str(rows["training"].remedy)


def test_files_of_arrays_are_scored_and_others_say_why_not(third_party: Made, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="compared by their evaluation"):
        register(*third_party)
    with pytest.raises(DataError, match=r"got suffix '\.h5', expected one of \.parquet, \.root, \.npz"):
        predict(*third_party, file=tmp_path / "some.h5", output=tmp_path / "scores.csv")
    np.savez(tmp_path / "some.npz", **values())  # type: ignore[arg-type]
    with pytest.raises(ExplainError, match="without its source"):
        predict(*third_party, file=tmp_path / "some.npz", output=tmp_path / "scores.csv", explain=True)
    assert predict(*third_party, file=tmp_path / "some.npz", output=tmp_path / "scores.csv")["examples"] == 5
    with (tmp_path / "scores.csv").open(newline="") as stream:
        head, *rows = csv.reader(stream)
    assert head[0] == "index"
    assert head[-2:] == ["twice", "outside"]
    np.testing.assert_allclose([[float(cell) for cell in row[1:3]] for row in rows], answers(values()), rtol=1e-6)


def test_report_and_index_show_it(third_party: Made, tmp_path: Path) -> None:
    from support.published import copy

    project, config = copy(third_party, tmp_path / "project")
    assert report(project, config)["parts"] == []
    page = (project.root / "report" / "index.html").read_text()
    assert "What is missing" in page
    index([project.bundle], tmp_path / "zoo")
    (listed,) = read_json(tmp_path / "zoo" / "models.json")["models"]
    assert (listed["explains"], listed["metrics"]) == (False, {})


def test_told_figures_are_called_told(made: Made) -> None:
    project, config = made
    told = {"metrics": {"auc": 0.98}, "measured_on": "jets of others"}
    run(project, config, about=about(project, told), **files(project))
    card = (project.bundle / "README.md").read_text()
    for words in ("auc 0.98 (told, not measured here)", "Figures are of: jets of others", "nobody checked them here"):
        assert words in card


def test_the_command_line_writes_elsewhere_and_leaves_the_bundle(made: Made, capfd: pytest.CaptureFixture[str]) -> None:
    project, _ = made
    given = [f"--{name}={path}" for name, path in files(project).items()]
    done = command(project, "bundle", *given, "--output", "again", capture=capfd)
    assert done.returncode == 0, done.stderr
    assert "No explanation" in done.stdout
    assert not project.bundle.exists()
    assert all(check.passed for check in load(project.root / "again").verify())
    other = command(project, "bundle", *given, "--output", "configs", capture=capfd)
    assert other.returncode == 1
    assert "exists and is no bundle" in other.stderr


# --- bad files ------------------------------------------------------------------------------------------------------


def refused(made: Made, error: type[ProjectError], words: str, **given: Any) -> None:
    with pytest.raises(error, match=words) as caught:
        run(*made, **given)
    assert "\n" not in str(caught.value)
    assert not made[0].bundle.exists()
    assert [path.name for path in made[0].root.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("content", [b"", b"not a model at all", b"\x80\x04."])
def test_a_file_that_is_no_model_is_refused(made: Made, content: bytes) -> None:
    given = files(made[0])
    given["onnx"].write_bytes(content)
    refused(made, BundleError, "tiny.onnx: (not an ONNX model|got a graph without any operator)", **given)


def test_a_cut_model_is_refused(made: Made) -> None:
    given = files(made[0])
    given["onnx"].write_bytes(given["onnx"].read_bytes()[:-40])
    refused(made, BundleError, "not an ONNX model that onnx.checker accepts", **given)


def test_missing_files_are_said(made: Made) -> None:
    given = files(made[0])
    refused(made, BundleError, "no such file", **{**given, "onnx": made[0].root / "none.onnx"})
    refused(made, DataError, "no such file", **{**given, "examples": made[0].root / "none.npz"})
    (made[0].root / "LICENSE").unlink()
    refused(made, MissingStepError, "LICENSE", **given)


def beside(model: onnx.ModelProto, location: str) -> onnx.ModelProto:
    """Say that the weights lie in another file."""
    (weights,) = (tensor for tensor in model.graph.initializer if tensor.name == "w")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    return model


@pytest.mark.parametrize("location", ["../secret.bin", "{root}/secret.bin", "a/../../secret.bin", "link.bin", ""])
def test_tensors_outside_of_the_folder_are_refused(made: Made, location: str) -> None:
    root = made[0].root
    (root / "secret.bin").write_bytes(WEIGHTS.tobytes())
    given = files(made[0], beside(graph(), location.format(root=root)))
    (root / "theirs" / "link.bin").symlink_to(root / "secret.bin")
    refused(made, BundleError, "outside of its folder; refused", **given)


def test_tensors_beside_the_graph_come_into_the_copy(made: Made) -> None:
    project, config = made
    given = files(project, beside(graph(), "weights.bin"))
    refused(made, BundleError, "which is missing beside it", **given)
    (project.root / "theirs" / "weights.bin").write_bytes(WEIGHTS.tobytes())
    run(project, config, **given)
    np.testing.assert_allclose(load(project.bundle).predict(values())["y"], answers(values()), rtol=1e-12)
    assert not list(project.bundle.rglob("*.bin"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"opset": 999}, "theirs/tiny.onnx: ONNX Runtime can't load it: .*support for domain ai.onnx is till opset"),
        (
            {"nodes": [helper.make_node("ScatterND", ["x", "one", "x"], ["m"], name="lost", reduction="add")]},
            r"tiny.onnx: adds up in ScatterND \(lost\).*threads may lose terms",
        ),
        (
            {
                "nodes": [helper.make_node("Magic", ["x"], ["m"], domain="their.own")],
                "domains": [helper.make_opsetid("their.own", 1)],
            },
            "theirs/tiny.onnx: ONNX Runtime can't load it.*(Magic|their.own)",
        ),
        ({"first": 4}, "its first axis has 4 entries always"),
    ],
)
def test_graphs_that_cannot_run_here_are_refused(made: Made, changes: dict[str, Any], words: str) -> None:
    refused(made, BundleError, words, **files(made[0], graph(**changes)))


def output(name: str, kind: int, shape: list[Any]) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


@pytest.mark.parametrize(
    ("node", "kind", "shape", "words"),
    [
        (helper.make_node("ReduceSum", ["x"], ["out"], keepdims=0), TensorProto.DOUBLE, [], "out: got shape"),
        (helper.make_node("Shape", ["x"], ["out"]), TensorProto.INT64, [2], r"out: got shape \[2\] for 5 examples"),
        (helper.make_node("Log", ["x"], ["out"]), TensorProto.DOUBLE, ["N", 3], "out: got answers that aren't finite"),
        (
            helper.make_node("RandomNormalLike", ["x"], ["out"]), TensorProto.DOUBLE, ["N", 3],
            "out: two calls gave different answers",
        ),
        (
            helper.make_node("Softmax", ["x"], ["out"], axis=0), TensorProto.DOUBLE, ["N", 3],
            "out: answers to one example alone and among others differ",
        ),
        (
            helper.make_node("Cast", ["n"], ["out"], to=TensorProto.STRING), TensorProto.STRING, ["N"],
            r"got tensor\(string\)",
        ),
    ],
)  # fmt: skip
def test_answers_that_cannot_be_published_are_refused(
    made: Made, node: Any, kind: int, shape: list[Any], words: str
) -> None:
    model = graph(nodes=[node], outputs=[output("out", kind, shape)])
    refused(made, BundleError, words, **files(made[0], model))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.pop("n"), "got x, expected x, n"),
        (lambda v: v.update(more=v["n"]), "got more, n, x, expected x, n"),
        (lambda v: v.update(n=v["n"][:3]), "expected the same number of each input"),
        (lambda v: v.update(x=v["x"][:0], n=v["n"][:0]), "expected the same number of each input, 1 to 1000"),
        (lambda v: v.update(x=v["x"][:, :2]), r"x\[0\]: got shape \[2\], expected \[3\]"),
        (lambda v: v.update(x=v["x"][:, 0]), r"x\[0\]: got shape \[\], expected \[3\]"),
        (lambda v: v.update(x=np.where(v["x"] > 0, np.nan, v["x"])), "expected a finite number"),
        (lambda v: v.update(n=v["n"] * 0.5 + 0.25), "numbers that int64 can't hold"),
        (lambda v: v.update(n=np.array([object()] * 5, dtype=object)), "not an .npz file of plain arrays"),
        (lambda v: v.update(n=np.float64(3.0)), "expected the same number"),
    ],
)
def test_examples_that_do_not_fit_are_refused(made: Made, change: Callable[[Any], Any], words: str) -> None:
    arrays = dict(values())
    change(arrays)
    refused(made, DataError, words, **files(made[0], None, **arrays))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"inputs": {"z": {}}}, "got z, expected names of the graph: x, n"),
        ({"inputs": {"x": {"columns": ["a"]}}}, "x has 3 entries along its last axis, got 1 columns"),
        ({"inputs": {"n": {"columns": ["a"]}}}, "n has any number of entries"),
        ({"inputs": {"x": {"axes": ["a"]}}}, "x has 2 axes"),
        ({"inputs": {"x": {"axes": ["a", "b"]}, "n": {"axes": ["c"]}}}, "first axis is called a and c"),
        ({"inputs": {"x": {"units": {"a": "m"}}}}, "units of a, which are no columns"),
        ({"input": {}}, "did you mean 'inputs'"),
        ({"metrics": {"auc": float("nan")}}, "metrics.auc: got nan"),
        ({"doi": "zenodo"}, "doi: got 'zenodo'"),
    ],
)
def test_what_is_told_must_fit(made: Made, told: dict[str, Any], words: str) -> None:
    refused(made, ConfigError, words, about=about(made[0], told), **files(made[0]))
