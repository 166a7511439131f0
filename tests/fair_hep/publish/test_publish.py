"""Publishing: an archive with one checksum, metadata that validate, and a draft that is right after any failure."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import yaml

from fair_hep import bundle
from fair_hep.bundle.errors import BundleError
from fair_hep.bundle.files import read_json, sha256
from fair_hep.describe.citation import citation_cff
from fair_hep.describe.codemeta import codemeta
from fair_hep.describe.inveniordm import inveniordm
from fair_hep.describe.zenodo_json import zenodo_json
from fair_hep.project import publish
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project, load_project
from fair_hep.publish.archive import write_archive
from support.deposits import TOKEN, Deposits, add_deposits
from support.needs import require
from support.published import copy
from support.small import call, environment
from support.zenodo import Zenodo

Bundled = tuple[Project, Config]


@pytest.fixture
def project(bundled: Bundled, tmp_path: Path) -> Project:
    return copy(bundled, tmp_path / "project")[0]


@pytest.fixture
def drafts(zenodo: Zenodo, monkeypatch: pytest.MonkeyPatch) -> Deposits:
    monkeypatch.setenv("ZENODO_TOKEN", TOKEN)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return add_deposits(zenodo)


def test_prepare_writes_an_archive_of_the_whole_bundle(project: Project) -> None:
    found = publish.run(project)
    archive = project.root / found["archive"]
    assert archive.name == f"{project.slug}-{project.version}.zip"
    assert sha256(archive) == found["sha256"]
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        opened.extractall(project.root / "unpacked")
    assert bundle.check_files(project.root / "unpacked" / archive.stem) > 10
    done = subprocess.run(
        ["sha256sum", "--check", f"{archive.name}.sha256"], cwd=archive.parent, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert any("next:" in line for line in found["headline"])


def test_an_archive_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    for folder, order in (("a", ["x.txt", "sub/y.txt", "z"]), ("b", ["z", "sub/y.txt", "x.txt"])):
        for name in order:
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"content of {name}")
            os.utime(path, (1e9 if folder == "a" else 1.5e9,) * 2)
            path.chmod(0o600 if folder == "a" else 0o755)
        write_archive(tmp_path / folder, tmp_path / f"{folder}-zip" / "one.zip")
    assert sha256(tmp_path / "a-zip" / "one.zip") == sha256(tmp_path / "b-zip" / "one.zip")


def test_a_bundle_that_does_not_verify_or_is_of_another_version_is_not_prepared(project: Project) -> None:
    identity = project.root / "project.yaml"
    text = identity.read_text()
    identity.write_text(text.replace("0.1.0", "0.2.0"))
    with pytest.raises(BundleError, match=r"has version 0\.1\.0, project\.yaml 0\.2\.0: run `export` again"):
        publish.run(load_project(project.root))
    (project.bundle / "README.md").write_text("better")
    with pytest.raises(BundleError, match=r"README\.md changed"):
        publish.run(project)
    assert not (project.root / "dist").exists()


def test_metadata_files_are_valid(project: Project, tmp_path: Path) -> None:
    require(importlib.util.find_spec("cffconvert"), "cffconvert is not installed")
    publish.run(project)
    code = "import sys; from cffconvert.cli.cli import cli; cli(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, "--validate", "-i", str(project.root / "dist" / "CITATION.cff")],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    described = read_json(project.root / "dist" / "codemeta.json")
    assert described["@context"] == "https://w3id.org/codemeta/3.0"
    assert described["author"][0]["@id"] == "https://orcid.org/0000-0002-1825-0097"
    legacy = read_json(project.root / "dist" / ".zenodo.json")
    assert legacy["upload_type"] == "software"
    assert legacy["creators"] == [{"name": "Lovelace, Ada", "orcid": "0000-0002-1825-0097"}]


def test_metadata_follow_the_project_and_keep_what_the_files_add(project: Project) -> None:
    (project.root / "CITATION.cff").write_text("title: Old\nkeywords: [jets]\nreferences: [{title: Data}]\n")
    (project.root / "codemeta.json").write_text('{"name": "Old", "keywords": ["jets"]}')
    changed = project.model_copy(update={"title": "New", "doi": "10.5281/zenodo.1"})
    citation = yaml.safe_load(citation_cff(changed))
    assert (citation["title"], citation["doi"], citation["keywords"]) == ("New", "10.5281/zenodo.1", ["jets"])
    assert codemeta(changed)["name"] == "New"
    assert codemeta(changed)["keywords"] == ["jets"]
    assert zenodo_json(changed)["title"] == "New"
    assert inveniordm(changed, "2026-01-01")["title"] == "New"


def test_what_is_not_known_is_left_out(project: Project) -> None:
    bare = project.model_copy(
        update={
            "authors": [],
            "doi": None,
            "repository": None,
            "dataset": project.dataset.model_copy(update={"doi": None}),
        }
    )
    citation = yaml.safe_load(citation_cff(bare))
    assert citation["authors"] == [{"name": f"The {project.title} developers"}]
    for values in (citation, codemeta(bare), zenodo_json(bare), inveniordm(bare, "2026-01-01")):
        text = json.dumps(values)
        assert "null" not in text
        assert "None" not in text
        assert '""' not in text


def test_from_the_bundle_to_the_record_and_back(
    project: Project, drafts: Deposits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publish, load by DOI in a process without any training framework, and get the stored answers."""
    found = publish.run(project, target="zenodo")
    (draft,) = drafts.values()
    archive = f"{project.slug}-0.1.0.zip"
    assert draft.metadata["creators"][0]["person_or_org"]["family_name"] == "Lovelace"
    assert draft.metadata["rights"] == [{"id": "cc-by-4.0"}]
    assert draft.committed == set(draft.files) == {archive, f"{archive}.sha256", "README.md"}
    assert hashlib.sha256(draft.files[archive] or b"").hexdigest() == found["sha256"]
    assert draft.files["README.md"] == (project.bundle / "README.md").read_bytes()
    publish.run(load_project(project.root), release=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ZENODO_TOKEN")
    script = f"""
import json, sys, numpy as np
from fair_hep import load
model = load("https://doi.org/{found["doi"]}")
example = dict(np.load(model.folder / "examples/inputs.npz"))
given = model.predict(example)
stored = np.load(model.folder / "examples/outputs.npz")
print(json.dumps([
    str(model.folder), max(float(abs(given[name] - stored[name]).max()) for name in stored.files),
    sorted({{"torch", "mlflow", "pandas", "requests"}} & set(sys.modules))]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(project), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    folder, difference, heavy = json.loads(done.stdout)
    assert Path(folder).is_relative_to(tmp_path / "cache")
    assert bundle.check_files(Path(folder)) == bundle.check_files(project.bundle)
    assert difference < 1e-3
    assert heavy == []


def test_what_cannot_be_undone_is_asked_for(project: Project, drafts: Deposits, zenodo: Zenodo) -> None:
    for options in (["zenodo", "--production"], ["reserve", "--production"], ["zenodo", "--release"]):
        done = call(project, "publish", *options)
        assert done.returncode == 1
        assert "[y/N]" in done.stderr
    assert not zenodo.requests
    done = call(project, "publish", "reserve", "--json")
    assert json.loads(done.stdout)["doi"] == load_project(project.root).doi == "10.5072/zenodo.100"


def test_a_doi_goes_into_the_plain_files_and_the_rest_stays(project: Project, drafts: Deposits) -> None:
    def sums() -> dict[str, str]:
        lines = (project.bundle / bundle.SUMS).read_text().splitlines()
        return {name: checksum for checksum, name in (line.split("  ") for line in lines)}

    before = sums()
    publish.run(project, target="zenodo")
    after = sums()
    changed = {name for name in after if after[name] != before[name]}
    assert changed >= {"README.md", "CITATION.cff", "project.yaml"}
    assert not [name for name in changed if Path(name).suffix in (".onnx", ".safetensors", ".npz")]
    for name in ("README.md", "CITATION.cff", "project.yaml"):
        assert "10.5072/zenodo.100" in (project.bundle / name).read_text()
    assert bundle.check_files(project.bundle) == len(after)
    assert not [path for path in project.root.iterdir() if path.name.startswith(".bundle")]


def test_a_doi_reserved_before_export_is_in_the_graphs_and_must_stay_theirs(
    bundled: Bundled, project: Project, drafts: Deposits
) -> None:
    reserved = publish.run(project, target="reserve")
    assert any("export" in line for line in reserved["headline"])
    graphs = [project.bundle / bundle.MODEL, project.bundle / bundle.EXPLAINED]
    for path in graphs:
        _carry(path, reserved["doi"])
    bundle.write_sums(project.bundle)
    before = [path.read_bytes() for path in graphs]
    assert publish.run(load_project(project.root), target="zenodo")["doi"] == reserved["doi"]
    assert [path.read_bytes() for path in graphs] == before
    drafts.clear()
    with pytest.raises(
        BundleError, match=r"model\.onnx: its DOI is 10\.5072/zenodo\.100, expected 10\.5072/zenodo\.110"
    ):
        publish.run(load_project(project.root), target="zenodo")


def _carry(path: Path, doi: str) -> None:
    """Write a DOI into a graph, as `export` does for a project that has one."""
    import onnx

    graph = onnx.load(path)
    graph.metadata_props.add(key="doi", value=doi)
    onnx.save(graph, path)
