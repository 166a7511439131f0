"""The export: one graph from raw inputs that says the same as PyTorch at any shape, and all that belongs to it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml

from fair_hep import bundle, provenance
from fair_hep.bundle.errors import BundleError, ExplainError, MissingStepError, ModelError
from fair_hep.bundle.files import read_json, sha256
from fair_hep.bundle.runtime import session
from fair_hep.export.faces import load_network
from fair_hep.export.parity import Choices, compare, compare_shapes, forward, near_ties
from fair_hep.export.relevance import relevances
from fair_hep.lrp import COMPOSITES
from fair_hep.models.recipe import recipe
from fair_hep.nets.layers import nearest
from fair_hep.project.export import run as export
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.tracing.graph import Published, export_graph, graph_inputs
from support.published import EXAMPLES, copy
from support.recipes import model as model_named

Bundled = tuple[Project, Config]
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def published(bundled: Bundled) -> Published:
    folder = bundled[0].bundle
    model = model_named("particlenet")
    return Published(model, load_network(folder, bundle.read_signature(folder), model)).eval()


@pytest.fixture(scope="module")
def graph(bundled: Bundled) -> Path:
    return bundled[0].bundle / bundle.MODEL


def jets(size: int, longest: int, seed: int = 0) -> dict[str, np.ndarray]:
    from fair_hep.models.synthetic import jets

    particles = jets(size, seed, longest=max(2, longest))["particles"].numpy()
    return {"particles": np.ascontiguousarray(particles[:, :longest])}


@pytest.mark.parametrize(
    ("size", "longest"), [(1, 1), (1, 2), (2, 1), (5, 7), (5, 8), (1, 200), (3, 200), (64, 60), (16, 128)]
)
def test_onnx_runtime_says_what_pytorch_says(published: Published, graph: Path, size: int, longest: int) -> None:
    found = compare(published, graph, "", jets(size, longest, seed=size + longest))
    assert found.answers == size
    assert found.largest <= TOLERANCE
    assert found.flipped <= size // 8


def test_padding_counts_for_nothing(graph: Path) -> None:
    arrays = jets(6, 20)
    opened = session(graph)
    plain = opened.run(None, arrays)[0]
    padded = opened.run(None, {"particles": np.pad(arrays["particles"], [(0, 0), (0, 40), (0, 0)])})[0]
    assert np.abs(plain - padded).max() <= 1e-5
    assert np.isfinite(opened.run(None, {"particles": np.zeros((2, 5, 4), np.float32)})[0]).all()


def test_no_jets_and_no_constituents_are_batches_too(graph: Path) -> None:
    opened = session(graph)
    assert opened.run(None, {"particles": np.zeros((0, 5, 4), np.float32)})[0].shape == (0, 2)
    assert opened.run(None, {"particles": np.zeros((3, 0, 4), np.float32)})[0].shape == (3, 2)


def test_probabilities_are_the_softmax_of_the_logits(graph: Path) -> None:
    logits, probabilities = session(graph).run(None, jets(8, 30))
    wanted = np.exp(logits - logits.max(1, keepdims=True))
    assert np.allclose(probabilities, wanted / wanted.sum(1, keepdims=True), atol=1e-6)


def test_the_graph_has_one_raw_input_free_axes_and_says_what_it_is(graph: Path, bundled: Bundled) -> None:
    proto = onnx.load(graph)
    onnx.checker.check_model(proto, full_check=True)
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*proto.graph.input, *proto.graph.output)
    }
    assert shapes == {
        "particles": ["jets", "constituents", 4],
        "logits": ["jets", 2],
        "probabilities": ["jets", 2],
    }
    assert {entry.domain for entry in proto.opset_import} == {""}
    told = {entry.key: entry.value for entry in proto.metadata_props}
    assert told["title"] == bundled[0].title
    assert told["version"] == bundled[0].version
    assert told["model_license"] == "CC-BY-4.0"
    # The sample's, which it learned from: the published data of the project are no data of this graph.
    assert (told["data_source"], told["data_license"]) == ("sample", "CC0-1.0")
    assert "dataset_doi" not in told
    assert json.loads(told["classes"]) == {"logits": ["QCD", "top"]}
    assert json.loads(told["inputs"]) == {"particles": {"columns": ["E", "px", "py", "pz"], "unit": "GeV"}}
    assert told["weights_sha256"] == sha256(graph.parent / bundle.WEIGHTS)
    assert "doi" not in told


def test_nothing_in_the_bundle_tells_a_path_of_this_machine(bundled: Bundled) -> None:
    project, _ = bundled
    own = {
        str(project.root),
        str(Path(__file__).parents[3]),
        str(Path.home()),
        str(Path(torch.__file__).parents[2]),
    } - {"/"}
    for path in project.bundle.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [name for name in own if name.encode() in content], path


def test_batch_norms_are_part_of_their_neighbours(graph: Path) -> None:
    assert "BatchNormalization" not in {node.op_type for node in onnx.load(graph).graph.node}


def test_the_network_comes_back_as_it_was(published: Published, tmp_path: Path) -> None:
    model = model_named("particlenet")
    parameter = next(published.network.parameters())
    parameter.requires_grad_(True)
    before = {name: value.clone() for name, value in published.network.state_dict().items()}
    export_graph(model, published.network, model.example(2, 0), tmp_path / "m.onnx", opset=18, metadata={})
    assert parameter.requires_grad
    assert all(torch.equal(before[name], value) for name, value in published.network.state_dict().items())


def test_a_network_that_does_not_export_is_one_line(tmp_path: Path) -> None:
    class Branches(torch.nn.Module):
        def forward(self, particles: torch.Tensor) -> torch.Tensor:
            total = particles.sum((1, 2))
            return torch.stack([total, -total], 1) if bool(total[0] > 0) else torch.stack([total, total], 1)

    model = model_named("particlenet")
    with pytest.raises(ModelError, match="doesn't export to ONNX") as caught:
        export_graph(model, Branches(), model.example(2, 0), tmp_path / "m.onnx", opset=20, metadata={})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "m.onnx").exists()


def test_another_graph_is_caught(bundled: Bundled, published: Published, tmp_path: Path) -> None:
    signature = bundle.read_signature(bundled[0].bundle)
    other = tmp_path / "other.onnx"
    model = model_named("particlenet")
    network = model.build(preset="lite").eval()
    export_graph(model, network, model.example(2, 0), other, opset=20, metadata={})
    with pytest.raises(BundleError, match="differs from PyTorch"):
        compare_shapes(published, other, signature.inputs, jets(8, 30), TOLERANCE)


class _Tied(torch.nn.Module):
    """Sums the energy of the nearest neighbour; in double precision it is another one where there is a tie."""

    def forward(self, particles: torch.Tensor) -> torch.Tensor:
        mask = particles[..., 0] > 0
        index, valid = nearest(particles[..., 1:3], mask, 1)
        energy = torch.gather(particles[..., 0], 1, index[..., 0]) * valid[..., 0]
        return torch.stack([energy.sum(1), -energy.sum(1)], 1)


def test_a_near_tie_is_found_and_a_clear_choice_is_not() -> None:
    network = Published(model_named("particlenet"), _Tied()).eval()
    clear = [[1.0, 0.0, 0.0, 0.0], [2.0, 1.0, 0.0, 0.0], [4.0, 3.0, 0.0, 0.0]]
    # 0.1 + 0.2 and 0.3 differ in the last bit: which of the others is nearer can't be told.
    tied = [[1.0, 0.3, 0.0, 0.0], [2.0, 0.6, 0.0, 0.0], [4.0, 0.3 - 0.3, 0.0, 0.0]]
    arrays = {"particles": np.array([clear, tied, clear], np.float32)}
    assert near_ties(network, arrays) == [1]


def test_flipped_neighbours_are_counted_and_the_rest_compared(tmp_path: Path) -> None:
    model = model_named("particlenet")
    network = Published(model, _Tied()).eval()
    path = tmp_path / "tied.onnx"
    export_graph(model, _Tied(), model.example(2, 0), path, opset=20, metadata={})
    arrays = {
        "particles": np.array([[[1, 0, 0, 0], [2, 1, 0, 0], [4, 3, 0, 0]], [[1, 1, 0, 0], [2, 2, 0, 0], [4, 5, 0, 0]]])
    }
    moved = {"particles": arrays["particles"].astype(np.float32)}
    assert compare(network, path, "", moved).flipped == 0

    class Moved(_Tied):
        def forward(self, particles: torch.Tensor) -> torch.Tensor:
            nudge = torch.zeros_like(particles)
            nudge[:1, 1, 1] = 1.5  # in the first jet only, the second constituent gets another neighbour
            return super().forward(particles + nudge)

    found = compare(Published(model, Moved()).eval(), path, "", moved)
    assert (found.answers, found.flipped, found.largest) == (2, 1, 0.0)
    assert found.largest_flipped > 0


def test_choices_are_sets_and_padding_is_no_choice() -> None:
    with Choices() as choices:
        torch.topk(torch.tensor([[3.0, 1.0, 2.0, -torch.inf]]), 2)
        torch.topk(torch.tensor([[3.0, 1.0, torch.inf, torch.inf]]), 3, largest=False)
    assert [chosen.tolist() for chosen in choices.chosen] == [[[0, 2]], [[-1, 0, 1]]]


def test_stored_answers_are_those_of_pytorch(bundled: Bundled, published: Published) -> None:
    folder = bundled[0].bundle
    inputs = bundle.read_arrays(folder / "examples/inputs.npz")
    stored = bundle.read_arrays(folder / "examples/outputs.npz")
    outputs, _ = forward(published, inputs)
    assert len(inputs["particles"]) == EXAMPLES == bundle.read_examples(folder).count
    assert np.array_equal(outputs[0], stored["logits"])
    relevance = bundle.read_arrays(folder / "examples/relevance.npz")["relevance"]
    assert relevance.shape == (*inputs["particles"].shape[:2], 7)
    assert not relevance[inputs["particles"][..., 0] == 0].any()


@pytest.mark.parametrize("composite", COMPOSITES)
def test_every_composite_can_be_published(bundled: Bundled, published: Published, composite: str) -> None:
    folder = bundled[0].bundle
    how = bundle.Relevance(composite=composite, bias="absorb", epsilon=1e-6, target=[-1.0, 1.0], tolerance=1e-3)
    inputs = {name: values[:3] for name, values in bundle.read_arrays(folder / "examples/inputs.npz").items()}
    found, _ = relevances(published.network, bundle.read_signature(folder), inputs, how)
    assert found.shape == (*inputs["particles"].shape[:2], 7)
    assert np.isfinite(found).all()


def test_the_request_is_the_first_examples_without_padding(bundled: Bundled) -> None:
    folder = bundled[0].bundle
    particles = bundle.read_arrays(folder / "examples/inputs.npz")["particles"]
    for example, jet in zip(read_json(folder / bundle.REQUEST)["inputs"], particles, strict=False):
        given = np.array(example["particles"], np.float32)
        assert np.array_equal(given, jet[: len(given)])
        assert not jet[len(given) :].any()


def test_signature_names_axes_units_and_columns(bundled: Bundled) -> None:
    signature = bundle.read_signature(bundled[0].bundle)
    assert [spec.name for spec in signature.inputs] == [spec.name for spec in graph_inputs(model_named("particlenet"))]
    (particles,) = signature.inputs
    assert (particles.axes, particles.columns, particles.unit) == (
        ("jets", "constituents", "component"), ("E", "px", "py", "pz"), "GeV",
    )  # fmt: skip
    assert [spec.name for spec in signature.outputs] == ["logits", "probabilities"]
    assert signature.target == [-1.0, 1.0]


def test_card_citation_and_metrics_say_what_was_found(bundled: Bundled) -> None:
    project, _ = bundled
    card = (project.bundle / "README.md").read_text()
    _, head, body = card.split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "cc-by-4.0"
    metrics = read_json(project.bundle / "metrics.json")
    assert all(line in body for line in metrics["headline"])
    assert all(f"- {limit}" in body for limit in recipe(project).limits)
    assert metrics["test_set"]["examples"] == 200
    assert len(metrics["test_set"]["sha256"]) == 64
    citation = yaml.safe_load((project.bundle / "CITATION.cff").read_text())
    assert citation["title"] == project.title
    assert citation["authors"][0]["family-names"] == "Lovelace"
    assert "None" not in card


def test_figures_and_provenance_of_every_step_come_along(bundled: Bundled) -> None:
    folder = bundled[0].bundle
    assert list((folder / "figures" / "evaluate").glob("*.png"))
    names = {path.stem for path in (folder / "provenance").glob("*.json")}
    assert {"train", "evaluate", "data-train", "data-val", "data-test"} <= names
    made = read_json(folder / provenance.FILE)
    assert made["command"] == "export"
    assert sha256(folder / bundle.WEIGHTS) in made["inputs"].values()


def _other_weights(project: Project) -> None:
    path = project.run("quick", "train") / bundle.WEIGHTS
    path.write_bytes(path.read_bytes()[:-4] + b"\x00\x00\x00\x01")


def _other_data(project: Project) -> None:
    path = project.data / "sample" / "test" / "store.json"
    path.write_text(path.read_text() + " ")


def _gone(*names: str) -> Any:
    def remove(project: Project) -> None:
        for name in names:
            path = project.root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (_gone("runs/quick/train"), MissingStepError, "run `train` first"),
        (_gone("runs/quick/evaluate"), MissingStepError, "run `evaluate` first"),
        (_gone("data"), MissingStepError, "run `data` first"),
        (_gone("LICENSE"), MissingStepError, "LICENSE"),
        (_other_weights, BundleError, "run `evaluate` again"),
        (_other_data, BundleError, "run `evaluate` again"),
    ],
)
def test_what_is_missing_or_stale_is_said_and_the_old_bundle_stays(
    bundled: Bundled, tmp_path: Path, damage: Any, error: type[Exception], words: str
) -> None:
    project, config = copy(bundled, tmp_path / "project")
    damage(project)
    with pytest.raises(error, match=words) as caught:
        export(project, config)
    assert "\n" not in str(caught.value)
    bundle.check_files(project.bundle)
    assert not list(project.root.glob(".bundle-*"))


def test_explanations_that_need_double_precision_are_not_published(bundled: Bundled, tmp_path: Path) -> None:
    project, config = copy(bundled, tmp_path / "project")
    double = config.explain.model_copy(update={"bias": "exclude", "precision": "float64"})
    with pytest.raises(ExplainError, match=r"export with explain\.bias=absorb"):
        export(project, config.model_copy(update={"explain": double}))
    bundle.check_files(project.bundle)
