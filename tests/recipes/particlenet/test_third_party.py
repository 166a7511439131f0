"""weaver-core's ParticleNet as weaver exports it, with three inputs, published from its ONNX file alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import yaml

from fair_hep.bundle import read_signature
from fair_hep.bundle.errors import DataError
from fair_hep.bundle.runtime import load
from fair_hep.models.synthetic import jets
from fair_hep.project.bundle import run
from fair_hep.project.verify import run as verify
from fair_hep.provenance.project import Project
from support.needs import require
from support.small import make_config, make_project
from support.weaver import as_weaver_takes, weaver_network

NAMES = ("points", "features", "mask")
AXES = {"points": "coordinate", "features": "feature", "mask": "one"}


class Exported(NamedTuple):
    project: Project
    theirs: Any


def given(particles: torch.Tensor) -> dict[str, np.ndarray]:
    return {name: value.contiguous().numpy() for name, value in zip(NAMES, as_weaver_takes(particles), strict=True)}


def full_jets(seed: int, constituents: int, count: int) -> torch.Tensor:
    """Return jets with so many constituents each, no more and no less."""
    particles = jets(400, seed)["particles"]
    enough = (particles[:, :constituents, 0] > 0).all(1)
    return particles[enough][:count, :constituents]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    require(importlib.util.find_spec("weaver"), "weaver-core isn't installed: make peers")
    project = make_project(tmp_path_factory.mktemp("exported") / "project")
    torch.manual_seed(2)
    network = weaver_network().eval()
    path = project.root / "particlenet.onnx"
    inputs = as_weaver_takes(full_jets(1, 30, 4))
    axes = {name: {0: "jets", 2: "constituents"} for name in NAMES}
    # As weaver's own export does it: by TorchScript.
    torch.onnx.export(
        network, inputs, path, input_names=list(NAMES), output_names=["logits"], dynamic_axes=axes, opset_version=17,
        dynamo=False,
    )  # fmt: skip
    examples = project.root / "inputs.npz"
    np.savez(examples, **given(full_jets(1, 30, 8)))  # type: ignore[arg-type]
    about = project.root / "about.yaml"
    told = {name: {"axes": ["jets", axis, "constituents"], "unit": "1"} for name, axis in AXES.items()}
    about.write_text(yaml.safe_dump({"title": "ParticleNet of weaver-core", "inputs": told}))
    run(project, make_config(project), onnx=path, examples=examples, about=about)
    return Exported(project, network)


def test_the_signature_tells_of_three_inputs(exported: Exported) -> None:
    found = read_signature(exported.project.bundle)
    assert [spec.axes for spec in found.inputs] == [("jets", axis, "constituents") for axis in AXES.values()]
    assert [spec.dynamic for spec in found.inputs] == [("jets", "constituents")] * 3
    assert found.inputs[1].sizes == {"feature": 7}
    assert (found.outputs[0].axes[0], list(found.outputs[0].sizes.values())) == ("jets", [2])


def test_it_answers_as_weaver_for_jets_of_any_lengths(exported: Exported) -> None:
    model = load(exported.project.bundle)
    assert all(check.passed for check in model.verify())
    verify(exported.project)
    several = [full_jets(3, length, 3) for length in (20, 27, 45)]
    pieces = [given(particles) for particles in several]
    ragged = {name: [row for piece in pieces for row in piece[name]] for name in NAMES}
    with torch.no_grad():
        wanted = torch.cat([exported.theirs(*as_weaver_takes(particles)) for particles in several]).numpy()
    assert len(wanted) == 9
    np.testing.assert_allclose(model.predict(ragged)["logits"], wanted, atol=2e-5)
    each = model.predict_each(ragged)
    np.testing.assert_allclose([one["logits"] for one in each], wanted, atol=2e-5)


def test_what_the_graph_cannot_compute_is_one_line(exported: Exported) -> None:
    """weaver's graph has no room for jets with fewer than k + 1 constituents, which its signature can't tell."""
    with pytest.raises(DataError, match="the graph can't compute these"):
        load(exported.project.bundle).predict(given(full_jets(3, 5, 2)))
    with pytest.raises(DataError, match=r"features\[0\]: got shape \[6, 30\], expected \[7, constituents\]"):
        few = given(full_jets(3, 30, 2))
        load(exported.project.bundle).predict({**few, "features": few["features"][:, :6]})


def test_the_bundle_holds_the_file_as_it_came(exported: Exported) -> None:
    theirs: Path = exported.project.root / "particlenet.onnx"
    assert (exported.project.bundle / "model.onnx").read_bytes() == theirs.read_bytes()
