"""The export of a cheap network: what doesn't depend on what is exported."""

from __future__ import annotations

from pathlib import Path

import pytest

from fair_hep import bundle, provenance
from fair_hep.bundle.errors import BundleError
from fair_hep.bundle.files import read_json, write_json
from fair_hep.export.faces import load_network
from fair_hep.project.export import run as export
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from fair_hep.tracing.graph import export_graph
from support.published import copy
from support.recipes import model as model_named

Bundled = tuple[Project, Config]


@pytest.mark.slow
def test_exporting_twice_gives_the_same_graph(bundled: Bundled, tmp_path: Path) -> None:
    model, folder = model_named("custom"), bundled[0].bundle
    network = load_network(folder, bundle.read_signature(folder), model)
    batch = model.example(4, 0)
    for name in ("a.onnx", "b.onnx"):
        export_graph(model, network, batch, tmp_path / name, opset=20, metadata={"b": "1", "a": "2"})
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


@pytest.mark.slow
def test_a_password_in_the_address_of_the_registry_is_not_published(bundled: Bundled, tmp_path: Path) -> None:
    project, config = copy(bundled, tmp_path / "project")
    address = "https://ada:secret@example.org"
    secret = config.model_copy(
        update={
            "register_": config.register_.model_copy(update={"tracking_uri": address}),
            "data": config.data.model_copy(update={"folder": tmp_path / "my" / "jets"}),
        }
    )
    made = read_json(project.run("quick", "evaluate") / provenance.FILE)
    made["configuration"] = secret.model_dump(mode="json", by_alias=True)
    write_json(project.run("quick", "evaluate") / provenance.FILE, made)
    export(project, secret)
    for path in project.bundle.rglob("*"):
        assert not path.is_file() or (
            b"secret" not in path.read_bytes() and str(tmp_path).encode() not in path.read_bytes()
        )


@pytest.mark.slow
def test_a_failing_export_leaves_the_old_bundle(bundled: Bundled, tmp_path: Path) -> None:
    project, config = copy(bundled, tmp_path / "project")
    strict = config.model_copy(update={"export": config.export.model_copy(update={"tolerance": 1e-12})})
    with pytest.raises(BundleError, match="differs from PyTorch"):
        export(project, strict)
    bundle.check_files(project.bundle)
    assert not list(project.root.glob(".bundle-*"))
