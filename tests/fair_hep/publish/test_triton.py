"""A model repository of a bundle, read by Triton's own protobuf and compared with the graphs that lie in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from fair_hep.bundle import read_signature, write_sums
from fair_hep.bundle.errors import BundleError, DataError
from fair_hep.bundle.files import read_json, write_json
from fair_hep.project import publish
from fair_hep.publish import triton
from fair_hep.publish.triton_config import Tensor, Text, batchable, config, largest_batch
from support import operators
from support.kept import ARCHIVES, unpacked
from support.small import make_project

KINDS = {path.name.partition(".")[0]: path for path in ARCHIVES if path.parent.name == "before-0.2"}
#: Triton's names of the types of ONNX, written down from its documentation ("Datatypes").
TYPES = {
    onnx.TensorProto.FLOAT: "TYPE_FP32",
    onnx.TensorProto.DOUBLE: "TYPE_FP64",
    onnx.TensorProto.INT64: "TYPE_INT64",
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: unpacked(path, tmp_path_factory.mktemp(kind)) for kind, path in KINDS.items()}


@pytest.fixture(scope="module")
def repositories(bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {kind: tmp_path_factory.mktemp("repositories") / kind for kind in bundles}
    for kind, folder in made.items():
        triton.run(bundles[kind], folder)
    return made


@pytest.fixture
def bundle(bundles: dict[str, Path], tmp_path: Path) -> Path:
    """Give a bundle of one's own to change."""
    return Path(shutil.copytree(bundles["particlenet"], tmp_path / "bundle"))


def of_version(bundle: Path, version: str) -> Path:
    signature = read_json(bundle / "signature.json")
    write_json(bundle / "signature.json", {**signature, "version": version})
    return signed(bundle)


def signed(bundle: Path) -> Path:
    (bundle / "SHA256SUMS").unlink()
    write_sums(bundle)
    return bundle


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_tritons_own_protobuf_reads_what_the_graphs_take_and_give(repositories: dict[str, Path]) -> None:
    """Says the same as the graphs do, read by `onnx`: names, types and lengths, the first axis taken for the batch."""
    paths = {f"{kind}/{path.parent.name}": path for kind, folder in repositories.items()
             for path in folder.glob("*/config.pbtxt")}  # fmt: skip
    assert len(paths) == 7  # a third-party graph isn't explained
    read = operators.ask("model_config", {name: path.read_text(encoding="utf-8") for name, path in paths.items()})
    for name, path in paths.items():
        found, graph = read[name], onnx.load(path.parent / "1000" / "model.onnx").graph
        assert found["name"] == path.parent.name
        assert (found["backend"], found["default_model_filename"]) == ("onnxruntime", "model.onnx")
        assert found["max_batch_size"] >= 1
        assert ("dynamic_batching" in found) == (found["max_batch_size"] > 1)
        assert found["version_policy"] == {"all": {}}
        assert (
            found["instance_group"] == [{"kind": "KIND_AUTO", "count": 1}] or found["instance_group"][0]["count"] == 1
        )
        (gpu,) = found["optimization"]["execution_accelerators"]["gpu_execution_accelerator"]
        assert gpu == {"name": "cuda", "parameters": {"use_tf32": "0"}}
        for field, values in (("input", graph.input), ("output", graph.output)):
            assert [shape(one) for one in found[field]] == [expected(value) for value in values], name


def shape(tensor: dict[str, Any]) -> tuple[str, str, list[int]]:
    """Return name, type and the shape that the graph sees of a tensor of Triton's, batch included."""
    inner = tensor["reshape"].get("shape", []) if "reshape" in tensor else tensor["dims"]
    return tensor["name"], tensor["data_type"], [-1, *map(int, inner)]


def expected(value: Any) -> tuple[str, str, list[int]]:
    kind = value.type.tensor_type
    return value.name, TYPES[kind.elem_type], [-1 if one.dim_param else one.dim_value for one in kind.shape.dim]


def test_the_same_bundle_gives_the_same_bytes(
    bundles: dict[str, Path], repositories: dict[str, Path], tmp_path: Path
) -> None:
    triton.run(bundles["mlpf"], tmp_path / "again")
    first = files(repositories["mlpf"])
    assert files(tmp_path / "again") == first
    triton.run(bundles["mlpf"], repositories["mlpf"])
    assert files(repositories["mlpf"]) == first
    assert first["particle_flow_explained/1000/model.onnx"] == (bundles["mlpf"] / "model_explained.onnx").read_bytes()


def test_versions_stand_beside_each_other(bundle: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    (repository / "somebody_elses" / "1").mkdir(parents=True)
    triton.run(bundle, repository)
    before = files(repository)
    done = triton.run(of_version(bundle, "1.2.3"), repository)
    assert done["version"] == 1_002_003
    after = files(repository)
    assert {name for name in after if name.startswith("top_tagger/")} == {
        "top_tagger/config.pbtxt",
        *(f"top_tagger/{version}/{name}" for version in (1000, 1002003) for name in ("model.onnx", "signature.json")),
    }
    assert {name: after[name] for name in before if not name.endswith(".pbtxt")} == {
        name: content for name, content in before.items() if not name.endswith(".pbtxt")
    }
    assert b"version 1.2.3 and earlier" in after["top_tagger/config.pbtxt"]
    assert (repository / "somebody_elses" / "1").is_dir()


def test_a_published_version_never_changes(bundle: Path, tmp_path: Path) -> None:
    triton.run(bundle, tmp_path / "repository")
    before = files(tmp_path / "repository")
    graph = onnx.load(bundle / "model_explained.onnx")
    graph.doc_string = "another graph"
    onnx.save(graph, bundle / "model_explained.onnx")
    with pytest.raises(BundleError, match=r"top_tagger_explained/1000/model.onnx: the repository holds another graph"):
        triton.run(signed(bundle), tmp_path / "repository")
    assert files(tmp_path / "repository") == before


def test_an_operators_own_settings_are_never_overwritten(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "top_tagger" / "config.pbtxt"
    triton.run(bundle, tmp_path)
    tuned = path.read_text(encoding="utf-8").replace("count: 1", "count: 4")
    path.write_text(tuned, encoding="utf-8")
    with pytest.raises(BundleError, match=r"top_tagger/config.pbtxt: was changed, or describes other tensors"):
        triton.run(of_version(bundle, "0.2.0"), tmp_path)
    assert path.read_text(encoding="utf-8") == tuned
    assert not (tmp_path / "top_tagger" / "2000").exists()


def test_a_damaged_bundle_leaves_nothing_behind(bundle: Path, tmp_path: Path) -> None:
    with (bundle / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(BundleError, match=r"model.onnx changed"):
        triton.run(bundle, tmp_path / "repository")
    assert not (tmp_path / "repository").exists()


@pytest.mark.parametrize("slug", ["../../elsewhere", "a/b", "", "9lives", "x" * 101, None, 7])
def test_a_slug_that_leads_elsewhere_is_refused(bundle: Path, tmp_path: Path, slug: Any) -> None:
    (bundle / "project.yaml").write_text(json.dumps({"slug": slug}), encoding="utf-8")
    with pytest.raises(BundleError, match=r"project.yaml: slug is .*, expected letters, digits, _ and -"):
        triton.run(signed(bundle), tmp_path / "in" / "repository")
    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize("version", ["1.0", "1.0.0rc1", "0.0.0", "1.1000.0", "01.0.0", "1.0.0\n", "1.1\uff11.0"])
def test_a_version_without_a_number_is_refused(version: str) -> None:
    with pytest.raises(DataError, match="Triton counts versions: expected three numbers below 1000"):
        triton.number(version)


def test_numbers_are_ordered_as_versions_are() -> None:
    parts = sorted({tuple(row) for row in np.random.default_rng(1).integers(0, 1000, (200, 3)).tolist()} - {(0, 0, 0)})
    numbers = [triton.number(".".join(map(str, one))) for one in parts]
    assert numbers == sorted(set(numbers))


def test_what_is_fixed_to_one_example_takes_no_batch() -> None:
    fixed, free = Tensor("x", "TYPE_FP32", (1, None, 4)), Tensor("y", "TYPE_FP32", (None, 2))
    assert not batchable([free, fixed])
    assert not batchable([free, Tensor("z", "TYPE_FP32", ())])
    text = config("one", [fixed], [free], 0, Text([], {}))
    assert "max_batch_size: 0" in text
    assert "dims: [ 1, -1, 4 ]" in text
    assert "dynamic_batching" not in text


def test_sets_that_are_long_come_alone(bundles: dict[str, Path]) -> None:
    """The pairs of elements of one pass stay below 2^24, unless one example alone has more."""
    for bundle in bundles.values():
        signature = read_signature(bundle)
        specs = [spec for spec in signature.inputs if spec.set_axis]
        longest = max((spec.limits.get(str(spec.set_axis), 1024) for spec in specs), default=1)
        scores, reasons = largest_batch(signature.inputs), largest_batch(signature.inputs, explains=True)
        assert scores == 1 or scores * longest**2 <= 2**24
        assert 1 <= reasons <= scores <= 64


def test_words_of_others_stay_comments() -> None:
    """No title and no meaning closes a comment or a string."""
    evil = 'a\n name: "b"\r\x0b\x85\u2028 } "'
    text = config('n"\n}', [Tensor(evil, "TYPE_FP32", (None, 2))], [], 1, Text([evil, "\ud800"], {evil: [evil]}))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert [line for line in lines if line.startswith("name:")] == ['name: "n\\"\\n}"']
    assert sum(line.startswith("input") for line in lines) == 1
    text.encode()


def test_it_says_what_clients_must_know(repositories: dict[str, Path]) -> None:
    path = repositories["particlenet"] / "top_tagger_explained" / "config.pbtxt"
    flat = " ".join(path.read_text(encoding="utf-8").replace("#", " ").split())
    for words in (
        "particles takes any number of constituents, at most 512",
        "Shorter ones get zeros at their end",
        "E in GeV, px in GeV, py in GeV, pz in GeV",
        "weights of logits_QCD, logits_top",
    ):
        assert words in flat
    unknown = (repositories["third_party"] / "top_tagger" / "config.pbtxt").read_text(encoding="utf-8")
    assert "zeros" not in unknown  # what padding does to a graph of others isn't known


def test_the_verb_verifies_first(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "project")
    shutil.copytree(bundle, project.bundle)
    verified: list[Path] = []
    monkeypatch.setattr(publish, "verify", lambda one: verified.append(one.bundle))
    done = publish.run(project, target="triton", folder=tmp_path / "repository")
    assert verified == [project.bundle]
    assert set(done["models"]) == {"top_tagger", "top_tagger_explained"}
    newer = project.model_copy(update={"version": "0.2.0"})
    with pytest.raises(BundleError, match=r"bundle has version 0.1.0, project.yaml 0.2.0: run `export` again"):
        publish.run(newer, target="triton", folder=tmp_path / "other")
    assert not (tmp_path / "other").exists()
