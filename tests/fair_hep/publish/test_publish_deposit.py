"""Drafts over real HTTPS: whatever fails in the middle, the next call makes the record right, and nothing twice."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fair_hep.bundle.errors import MissingStepError, ProjectError, ServiceError
from fair_hep.bundle.files import read_json
from fair_hep.provenance.project import Project, load_project
from fair_hep.publish import zenodo_steps as steps
from fair_hep.publish.credentials import token
from fair_hep.publish.deposit import Deposit
from fair_hep.publish.service import Service
from fair_hep.publish.zenodo_steps import PRODUCTION, SANDBOX, release, reserve, upload
from support.deposits import TOKEN, Deposits, add_deposits
from support.needs import require
from support.small import environment, make_project
from support.standin import Answer, cut, instead, stall
from support.zenodo import ZENODO, Zenodo

FILES = {"model.zip": b"weights" * 5000, "model.zip.sha256": b"0123  model.zip\n", "README.md": b"# A model\n"}
#: What a killed call ran: the same steps, in a process of its own.
SCRIPT = f"""
import pathlib, sys
from fair_hep.provenance.project import load_project
from fair_hep.publish.zenodo_steps import SANDBOX, reserve, upload
project, draft = reserve(load_project(), SANDBOX)
upload(project, SANDBOX, draft, [pathlib.Path("dist", name) for name in {list(FILES)}])
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    (made.root / "dist").mkdir()
    for name, content in FILES.items():
        (made.root / "dist" / name).write_bytes(content)
    return made


@pytest.fixture
def drafts(zenodo: Zenodo, monkeypatch: pytest.MonkeyPatch) -> Deposits:
    monkeypatch.setenv("ZENODO_TOKEN", TOKEN)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return add_deposits(zenodo)


def deposit(project: Project, url: str = SANDBOX) -> dict[str, Any]:
    """Do what ``publish zenodo`` does once the archive is made."""
    project, draft = reserve(load_project(project.root), url)
    return upload(project, url, draft, [project.root / "dist" / name for name in FILES])


def is_right(drafts: Deposits, project: Project) -> None:
    """One draft, with the reserved DOI that the project has, and exactly the files that belong to it."""
    (draft,) = drafts.values()
    assert drafts.made == 1
    assert draft.files == FILES
    assert draft.committed == set(FILES)
    assert draft.pids["doi"]["identifier"] == load_project(project.root).doi
    assert (draft.metadata["title"], draft.metadata["resource_type"]) == (project.title, {"id": "model"})


def test_a_draft_has_a_reserved_doi_metadata_and_files(project: Project, drafts: Deposits) -> None:
    found = deposit(project)
    is_right(drafts, project)
    assert found["doi"] == "10.5072/zenodo.100"
    assert found["sent"] == list(FILES)


def test_the_doi_is_one_line_in_the_identity_and_nothing_else_changes(project: Project, drafts: Deposits) -> None:
    path = project.root / "project.yaml"
    before = f"# a comment of mine\n{path.read_text()}"
    path.write_text(before)
    reserve(project, SANDBOX)
    added = [line for line in path.read_text().splitlines() if line not in before.splitlines()]
    assert added == ['doi: "10.5072/zenodo.100"']
    assert set(before.splitlines()) <= set(path.read_text().splitlines())
    once = path.read_text()
    reserve(load_project(project.root), SANDBOX)
    assert path.read_text() == once


def test_a_second_call_goes_on_with_the_same_draft_and_sends_nothing(project: Project, drafts: Deposits) -> None:
    deposit(project)
    assert deposit(project)["sent"] == []
    is_right(drafts, project)


def test_the_doi_alone_leads_back_to_the_draft(project: Project, drafts: Deposits) -> None:
    """Another machine has what git keeps, and not what lies in dist/."""
    deposit(project)
    (project.root / "dist" / "draft.json").unlink()
    deposit(project)
    is_right(drafts, project)


def test_a_draft_that_somebody_deleted_is_made_anew(project: Project, drafts: Deposits) -> None:
    deposit(project)
    drafts.clear()
    found = deposit(project)
    assert found["draft"] == "110"
    assert found["sent"] == list(FILES)
    assert load_project(project.root).doi == "10.5072/zenodo.110"


def test_files_that_changed_are_replaced_and_others_taken_out(project: Project, drafts: Deposits) -> None:
    deposit(project)
    (draft,) = drafts.values()
    draft.files |= {"README.md": b"other", "old.zip": b"old", "begun.zip": None}
    draft.committed |= {"README.md", "old.zip"}
    assert deposit(project)["sent"] == ["README.md"]
    is_right(drafts, project)


@pytest.mark.parametrize(("fault", "done"), [("429", False), ("500", True), ("cut", False), ("cut", True)], ids=str)
@pytest.mark.parametrize(
    "which", ["POST */records", "POST */pids/doi", "PUT */draft", "POST */files", "PUT */content", "POST */commit"]
)
def test_whatever_answer_is_lost_nothing_is_made_twice(  # noqa: PLR0917
    project: Project, drafts: Deposits, zenodo: Zenodo, which: str, fault: str, done: bool
) -> None:
    busy = Answer.json({"message": "busy"}, int(fault) if fault != "cut" else 500, Retry_After="1")
    method, path = which.split()
    zenodo.fail(cut(0) if fault == "cut" else instead(busy), path, 2, method=method, done=done)
    deposit(project)
    is_right(drafts, project)


@pytest.mark.parametrize("path", ["*/records", "*/content", "*/commit"])
def test_after_a_failure_for_good_the_next_call_mends_it(
    project: Project, drafts: Deposits, zenodo: Zenodo, path: str
) -> None:
    zenodo.fail(instead(Answer.json({}, 500)), path, times=20, method="P*", done=path != "*/commit")
    zenodo.fail(instead(Answer.json({}, 500)), "/api/user/records", times=20)
    with pytest.raises(ServiceError, match="500"):
        deposit(project)
    zenodo.mend()
    deposit(project)
    is_right(drafts, project)


def test_the_wait_that_is_asked_for_is_kept(
    project: Project, drafts: Deposits, zenodo: Zenodo, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    zenodo.fail(instead(Answer.json({}, 429, Retry_After="37")), "*/content", done=False)
    deposit(project)
    assert 37.0 in waits
    zenodo.fail(instead(Answer.json({}, 429, Retry_After="86400")), "*/draft", done=False)
    with pytest.raises(ServiceError, match="it asks to wait 86400 s; run the same command again"):
        deposit(project)


def test_other_bytes_than_sent_are_noticed_and_sent_again(project: Project, drafts: Deposits, zenodo: Zenodo) -> None:
    drafts_content = drafts._content

    def damaging(request: Any, match: Any) -> Answer:
        request.body = b"!" + request.body[1:]
        return drafts_content(request, match)

    zenodo.route("PUT", "sandbox.zenodo.org", r"/api/records/(\d+)/draft/files/(model\.zip)/content", damaging)
    wanted = hashlib.md5(FILES["model.zip"], usedforsecurity=False).hexdigest()
    with pytest.raises(ServiceError, match=rf"model\.zip: .* got md5:\w+, expected md5:{wanted}"):
        deposit(project)
    zenodo._routes.pop(0)
    assert deposit(project)["sent"] == list(FILES)
    is_right(drafts, project)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/records"), ("POST", "*/pids/doi"), ("PUT", "*/sha256/content"), ("PUT", "*/README.md/content")],
)
def test_killed_in_the_middle_the_next_call_makes_it_right(
    project: Project, drafts: Deposits, zenodo: Zenodo, method: str, path: str
) -> None:
    path = path.replace("*/sha256", "*/model.zip.sha256")
    zenodo.fail(stall(0, zenodo.event()), path, method=method)
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=project.root, env=environment(project))
    try:
        end = time.monotonic() + 60
        while not any(request.method == method for request in zenodo.seen(path)):
            assert process.poll() is None
            assert time.monotonic() < end
            os.sched_yield()
    finally:
        process.kill()
        process.wait()
    assert drafts.made == 1
    deposit(project)
    is_right(drafts, project)


def test_release_publishes_once_and_says_so_again(project: Project, drafts: Deposits, zenodo: Zenodo) -> None:
    with pytest.raises(MissingStepError, match="publish zenodo"):
        release(project, SANDBOX)
    deposit(project)
    project = load_project(project.root)
    zenodo.fail(cut(0), "*/actions/publish")
    found = release(project, SANDBOX)
    assert found["doi"] == project.doi == "10.5072/zenodo.100"
    assert not drafts
    assert release(project, SANDBOX)["doi"] == project.doi
    with pytest.raises(ServiceError, match=r"version 0\.1\.0 is published as 10\.5072/zenodo\.100; give project"):
        deposit(project)
    assert len(zenodo.records) == 1


def test_an_unfinished_draft_is_not_published(project: Project, drafts: Deposits, zenodo: Zenodo) -> None:
    reserve(project, SANDBOX)
    with pytest.raises(ServiceError, match=r"400 .*files have not completed"):
        release(load_project(project.root), SANDBOX)
    assert not zenodo.records


def test_a_new_version_belongs_to_the_same_concept(project: Project, drafts: Deposits, zenodo: Zenodo) -> None:
    deposit(project)
    release(load_project(project.root), SANDBOX)
    identity = project.root / "project.yaml"
    identity.write_text(identity.read_text().replace("0.1.0", "0.2.0"))
    (project.root / "dist" / "README.md").write_bytes(b"# A better model\n")
    zenodo.fail(cut(0), "*/versions")
    found = deposit(project)
    assert deposit(project)["sent"] == []
    assert found["doi"] == load_project(project.root).doi == "10.5072/zenodo.110"
    release(load_project(project.root), SANDBOX)
    first, second = (zenodo.records["sandbox.zenodo.org", number] for number in (100, 110))
    assert first.concept == second.concept
    assert (first.metadata["version"], second.metadata["version"]) == ("0.1.0", "0.2.0")
    assert first.files["README.md"].content != second.files["README.md"].content


def test_the_sandbox_and_zenodo_have_a_doi_each(project: Project, drafts: Deposits, zenodo: Zenodo) -> None:
    deposit(project)
    real = add_deposits(zenodo, ZENODO)
    found = deposit(project, PRODUCTION)
    assert found["doi"] == load_project(project.root).doi == "10.5281/zenodo.100"
    assert [draft.files for draft in real.values()] == [FILES]


def test_a_doi_from_elsewhere_is_left_alone(project: Project, drafts: Deposits) -> None:
    identity = project.root / "project.yaml"
    identity.write_text(f"{identity.read_text()}doi: 10.1103/PhysRevD.101.056019\n")
    with pytest.raises(ServiceError, match="isn't one of Zenodo; take it out"):
        deposit(project)
    assert not drafts


def test_no_token_is_one_line_and_asks_nobody(
    project: Project, drafts: Deposits, zenodo: Zenodo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZENODO_TOKEN")
    with pytest.raises(ServiceError, match="ZENODO_TOKEN is not set") as caught:
        deposit(project)
    assert "\n" not in str(caught.value)
    assert not zenodo.requests


def test_the_token_is_in_no_message_no_file_and_no_log(
    project: Project,
    drafts: Deposits,
    zenodo: Zenodo,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("ZENODO_TOKEN", "wrong-secret")
    with pytest.raises(ServiceError, match="the token was refused") as refused:
        deposit(project)
    errors = [{"field": "f", "messages": ["wrong-secret"]}]
    zenodo.fail(instead(Answer.json({"message": "you sent wrong-secret", "errors": errors}, 400)))
    with pytest.raises(ServiceError, match=r"400 you sent \*\*\*") as echoed:
        deposit(project)
    texts = [str(refused.value), str(echoed.value), caplog.text]
    texts += [path.read_text(errors="replace") for path in project.root.rglob("*") if path.is_file()]
    assert not [text for text in texts if "wrong-secret" in text]


def test_the_token_goes_to_no_other_host(project: Project, drafts: Deposits, zenodo: Zenodo) -> None:
    deposit(project)
    (project.root / "dist" / "README.md").write_text("changed")

    def elsewhere(answer: Answer) -> Answer:
        return replace(answer, body=answer.body.replace(b"https://sandbox.zenodo.org", b"https://zenodo.org"))

    zenodo.fail(elsewhere, "*/draft/files", times=9)
    with pytest.raises(ProjectError, match=r"another host \(zenodo\.org\)"):
        deposit(project)
    zenodo.mend()
    zenodo.fail(instead(Answer.redirect("https://zenodo.org/api/records")), "*/draft", times=9)
    with pytest.raises(ProjectError):
        deposit(project)
    assert {request.host for request in zenodo.requests} == {"sandbox.zenodo.org"}


@pytest.mark.parametrize("url", ["http://zenodo.org", "zenodo.org", "ftp://127.0.0.1", ""])
def test_an_address_without_encryption_gets_no_token(url: str) -> None:
    with pytest.raises(ServiceError, match="https://"):
        Service(url, "secret")


def test_a_server_that_cannot_be_reached_is_one_line(project: Project, drafts: Deposits) -> None:
    with pytest.raises(ServiceError, match="ConnectionError") as caught:
        deposit(project, "http://127.0.0.1:9")
    assert "\n" not in str(caught.value)


def test_the_token_may_lie_in_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the interface by which every keyring of a system is reached."""
    try:
        import keyring
        from keyring.backend import KeyringBackend
        from keyring.backends.fail import Keyring as Nothing
    except ImportError:
        require(False, "keyring is not installed")
    monkeypatch.delenv("ZENODO_TOKEN", raising=False)

    class Kept(KeyringBackend):
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            return {"sandbox.zenodo.org": "of the sandbox"}.get(service) if username == "ZENODO_TOKEN" else None

        def set_password(self, service: str, username: str, password: str) -> None:
            raise NotImplementedError

        def delete_password(self, service: str, username: str) -> None:
            raise NotImplementedError

    before: Callable[[], Any] = keyring.get_keyring
    known = before()
    try:
        keyring.set_keyring(Kept())
        assert token("ZENODO_TOKEN", SANDBOX) == "of the sandbox"
        with pytest.raises(ServiceError, match=r"ZENODO_TOKEN is not set: .* at zenodo\.org"):
            token("ZENODO_TOKEN", PRODUCTION)
        monkeypatch.setenv("ZENODO_TOKEN", " from the environment ")
        assert token("ZENODO_TOKEN", SANDBOX) == "from the environment"
        monkeypatch.delenv("ZENODO_TOKEN")
        keyring.set_keyring(Nothing())
        with pytest.raises(ServiceError, match="is not set"):
            token("ZENODO_TOKEN", SANDBOX)
    finally:
        keyring.set_keyring(known)


def test_what_is_remembered_holds_no_secret(project: Project, drafts: Deposits) -> None:
    deposit(project)
    assert read_json(project.root / "dist" / steps.DRAFT) == {"url": SANDBOX, "id": "100"}
    assert Deposit(Service(SANDBOX, TOKEN)).draft("999") is None
    assert TOKEN not in json.dumps([request.path for request in drafts.zenodo.requests])
