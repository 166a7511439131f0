"""Publishing: an archive with one checksum, metadata that validate, and a draft that is right after any failure."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import yaml

from .. import bundle, publish
from ..config import Config
from ..errors import BundleError, MissingStepError, ProjectError, ServiceError
from ..files import read_json, sha256
from ..metadata import citation_cff, codemeta, inveniordm, zenodo_json
from ..project import Project, load_project
from ..publish.archive import write_archive
from ..publish.deposit import Deposit
from ..publish.verb import SANDBOX
from .deposits import TOKEN, Draft, add_deposits
from .needs import require
from .published import copy
from .standin import Answer, cut, instead
from .zenodo import Zenodo

Bundled = tuple[Project, Config]


@pytest.fixture
def project(bundled: Bundled, tmp_path: Path) -> Project:
    return copy(bundled, tmp_path / "project")[0]


@pytest.fixture
def drafts(zenodo: Zenodo, monkeypatch: pytest.MonkeyPatch) -> dict[int, Draft]:
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


def test_a_draft_has_the_metadata_and_the_files(project: Project, drafts: dict[int, Draft]) -> None:
    found = publish.run(project, target="zenodo")
    (draft,) = drafts.values()
    assert draft.metadata["resource_type"] == {"id": "model"}
    assert draft.metadata["creators"][0]["person_or_org"]["family_name"] == "Lovelace"
    assert draft.metadata["rights"] == [{"id": "cc-by-4.0"}]
    assert draft.committed == set(draft.files) == {f"{project.slug}-0.1.0.zip", "README.md"}
    content = draft.files[f"{project.slug}-0.1.0.zip"]
    assert content is not None
    assert hashlib.sha256(content).hexdigest() == found["sha256"]
    assert found["draft"] == str(draft.number)


def test_a_second_call_goes_on_with_the_same_draft_and_sends_nothing(
    project: Project, drafts: dict[int, Draft]
) -> None:
    publish.run(project, target="zenodo")
    again = publish.run(project, target="zenodo")
    assert len(drafts) == 1
    assert again["sent"] == []


def test_a_draft_that_somebody_deleted_is_made_anew(project: Project, drafts: dict[int, Draft]) -> None:
    publish.run(project, target="zenodo")
    gone = drafts.pop(100)
    drafts[1] = gone
    found = publish.run(project, target="zenodo")
    assert found["draft"] != "100"
    assert len(found["sent"]) == 2


@pytest.mark.parametrize("path", ["*/content", "*/commit", "*/files"])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_is_tried_again(
    project: Project, drafts: dict[int, Draft], zenodo: Zenodo, path: str, status: int
) -> None:
    zenodo.fail(instead(Answer.json({"message": "busy"}, status, Retry_After="1")), path, times=2)
    publish.run(project, target="zenodo")
    (draft,) = drafts.values()
    assert draft.committed == set(draft.files)


def test_a_broken_answer_in_the_middle_is_mended_by_the_next_call(
    project: Project, drafts: dict[int, Draft], zenodo: Zenodo
) -> None:
    zenodo.fail(cut(0), "*/content", times=10)
    with pytest.raises(ServiceError, match="Error"):
        publish.run(project, target="zenodo")
    zenodo._faults.clear()
    found = publish.run(project, target="zenodo")
    (draft,) = drafts.values()
    assert draft.committed == set(draft.files)
    assert len(found["sent"]) == 2


def test_other_bytes_than_sent_are_noticed(project: Project, drafts: dict[int, Draft], zenodo: Zenodo) -> None:
    zenodo.fail(instead(Answer.json({"key": "x", "checksum": "md5:" + "0" * 32})), "*/commit")
    with pytest.raises(ServiceError, match=f"got md5:{'0' * 32}, expected md5:"):
        publish.run(project, target="zenodo")


def test_release_publishes_the_draft_and_gives_the_doi(project: Project, drafts: dict[int, Draft]) -> None:
    with pytest.raises(MissingStepError, match="publish zenodo"):
        publish.run(project, release=True)
    publish.run(project, target="zenodo")
    found = publish.run(project, release=True)
    assert found["doi"] == "10.5072/zenodo.100"
    assert not drafts
    with pytest.raises(MissingStepError, match="publish zenodo"):
        publish.run(project, release=True)


def test_no_token_is_one_line_and_asks_nobody(
    project: Project, drafts: dict[int, Draft], zenodo: Zenodo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZENODO_TOKEN")
    with pytest.raises(ServiceError, match="ZENODO_TOKEN is not set"):
        publish.run(project, target="zenodo")
    assert not zenodo.requests


def test_the_token_is_in_no_message_no_file_and_no_log(
    project: Project,
    drafts: dict[int, Draft],
    zenodo: Zenodo,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("ZENODO_TOKEN", "wrong-secret")
    with pytest.raises(ServiceError, match="the token was refused") as refused:
        publish.run(project, target="zenodo")
    echo = Answer.json(
        {"message": "you sent wrong-secret", "errors": [{"field": "f", "messages": ["wrong-secret"]}]}, 400
    )
    zenodo.fail(instead(echo))
    with pytest.raises(ServiceError, match=r"400 you sent \*\*\*") as echoed:
        publish.run(project, target="zenodo")
    texts = [str(refused.value), str(echoed.value), caplog.text]
    texts += [path.read_text(errors="replace") for path in (project.root / "dist").iterdir()]
    assert not [text for text in texts if "wrong-secret" in text]


def test_the_token_goes_to_no_other_host(project: Project, drafts: dict[int, Draft], zenodo: Zenodo) -> None:
    for answer in (
        Answer.json({"id": "1", "links": {"files": "https://zenodo.org/api/records/1/draft/files"}}, 201),
        Answer.redirect("https://zenodo.org/api/records"),
    ):
        zenodo.fail(instead(answer), "/api/records")
        with pytest.raises(ProjectError):
            publish.run(project, target="zenodo")
    assert {request.host for request in zenodo.requests} == {"sandbox.zenodo.org"}
    assert SANDBOX == "https://sandbox.zenodo.org"


@pytest.mark.parametrize("url", ["http://zenodo.org", "zenodo.org", "ftp://127.0.0.1", ""])
def test_an_address_without_encryption_gets_no_token(url: str) -> None:
    with pytest.raises(ServiceError, match="https://"):
        Deposit(url, "secret")


def test_a_server_that_cannot_be_reached_is_one_line(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENODO_TOKEN", TOKEN)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with pytest.raises(ServiceError, match="ConnectionError") as caught:
        publish.run(project, target="zenodo", url="http://127.0.0.1:9")
    assert "\n" not in str(caught.value)
