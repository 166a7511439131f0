"""A copy at the Hugging Face Hub: first said, then sent, by the official client over real HTTPS."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fair_hep.bundle.errors import ConfigError, ServiceError
from fair_hep.provenance.project import Project
from fair_hep.publish import huggingface
from support.hub import TOKEN, Hub
from support.needs import require
from support.small import environment, make_project
from support.standin import Answer, instead


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    require(importlib.util.find_spec("huggingface_hub"), "huggingface_hub is not installed")
    for name in ("HF_ENDPOINT", "HF_TOKEN", "NO_PROXY", "no_proxy", "https_proxy", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    with Hub(tmp_path) as standin:
        for name, value in {**standin.environment, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": TOKEN}.items():
            monkeypatch.setenv(name, value)
        # The Hub's newer store has a protocol of its own; without it the client sends what goes there by plain HTTP.
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        yield standin


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    for name, content in {
        "README.md": "---\nlicense: mit\n---\n",
        "model.onnx": "graph" * 999,
        "examples/inputs.npz": "x",
    }.items():
        path = made.bundle / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return made


def held(project: Project) -> dict[str, bytes]:
    paths = [path for path in project.bundle.rglob("*") if path.is_file()]
    return {path.relative_to(project.bundle).as_posix(): path.read_bytes() for path in paths}


def send(project: Project, to: str) -> subprocess.CompletedProcess[str]:
    """Send in a process of its own: the client reads its environment once, when it is imported."""
    script = f"""
import sys
from fair_hep.bundle.errors import ProjectError
from fair_hep.provenance.project import load_project
from fair_hep.publish import huggingface
try:
    print(huggingface.run(load_project(), {to!r}, send=True)["headline"])
except ProjectError as error:
    sys.exit(str(error))
"""
    return subprocess.run(
        [sys.executable, "-c", script], env=environment(project), capture_output=True, text=True, check=False
    )


def test_first_it_says_what_it_would_send_and_asks_nobody(project: Project, hub: Hub) -> None:
    found = huggingface.run(project, "ada/tagger", send=False)
    assert found["files"] == {name: len(content) for name, content in held(project).items()}
    assert found["repository"] == "https://huggingface.co/ada/tagger"
    assert found["headline"][0] == "would send 3 files of 5.0 kB to https://huggingface.co/ada/tagger, in one commit:"
    assert not found["sent"]
    assert not hub.requests


def test_the_copy_is_the_bundle_in_one_commit_however_often_it_is_sent(project: Project, hub: Hub) -> None:
    done = send(project, "ada/tagger")
    assert done.returncode == 0, done.stderr
    assert "sent 3 files" in done.stdout
    assert hub.repositories == {"ada/tagger": held(project)}
    assert hub.commits == ["Version 0.1.0"]
    (project.bundle / "examples" / "inputs.npz").unlink()
    (project.bundle / "README.md").write_text("---\nlicense: mit\n---\n# A better model\n")
    done = send(project, "ada/tagger")
    assert done.returncode == 0, done.stderr
    assert hub.repositories == {"ada/tagger": held(project)}


def test_a_refusal_is_one_line_without_the_token(
    project: Project, hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hub.fail(instead(Answer.json({"error": f"{TOKEN} may not"}, 403)), "*/preupload/*", times=9)
    done = send(project, "ada/tagger")
    assert done.returncode == 1
    assert "ada/tagger: not sent: " in done.stderr
    hub.mend()
    monkeypatch.setenv("HF_TOKEN", "hf_wrong_secret")
    wrong = send(project, "ada/tagger")
    assert wrong.returncode == 1
    monkeypatch.delenv("HF_TOKEN")
    nothing = send(project, "ada/tagger")
    assert "HF_TOKEN is not set" in nothing.stderr
    said = [done.stdout + done.stderr + wrong.stdout + wrong.stderr + nothing.stderr]
    assert not [text for text in said if TOKEN in text or "hf_wrong_secret" in text]
    assert not hub.commits


@pytest.mark.parametrize("to", [None, "", "tagger", "a/b/c", "ada/../x", "https://huggingface.co/ada/tagger", "-/x y"])
def test_a_name_that_cannot_be_one_is_refused(project: Project, to: str | None) -> None:
    with pytest.raises((ConfigError, ServiceError), match="--to: got"):
        huggingface.run(project, to, send=False)
