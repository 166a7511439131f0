"""The faces that run elsewhere: a server is asked without padding, an image is started for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fair_hep import bundle
from fair_hep.bundle.errors import BundleError, ServiceError
from fair_hep.bundle.inputs import cut
from fair_hep.bundle.stored import RELEVANCE, Stored
from fair_hep.export.client import ask
from fair_hep.export.container import find_engine, running
from fair_hep.project.verify import run
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.published import copy
from support.serving import serving

Bundled = tuple[Project, Config]


@pytest.fixture(scope="module")
def server(bundled: Bundled) -> Iterator[str]:
    with serving(bundled[0]) as (url, _):
        yield url


@pytest.fixture(scope="module")
def stored(bundled: Bundled) -> Stored:
    return Stored.read(bundled[0].bundle)


def right(stored: Stored) -> list[dict[str, Any]]:
    """Return what a server answers that is right: a row for every element, and none for padding."""
    (spec,) = stored.signature.inputs
    sizes = [len(cut(spec, values)) for values in stored.inputs[spec.name]]
    return [
        {
            name: (values[number, :size] if values.ndim > 2 else values[number]).tolist()
            for name, values in stored.answers.items()
        }
        for number, size in enumerate(sizes)
    ]


@contextmanager
def answering(content: bytes, status: int = 200) -> Iterator[tuple[str, list[Any]]]:
    """Answer every request with the same; keep what was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as standin:
        thread = threading.Thread(target=standin.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{standin.server_port}", asked
        finally:
            standin.shutdown()
            thread.join()


def test_a_running_server_is_a_face_like_the_others(bundled: Bundled, server: str, stored: Stored) -> None:
    found = run(bundled[0], url=f"{server}/invocations")
    checks = [check for check in found["checks"] if check["face"] == "server"]
    assert [check["output"] for check in checks] == list(stored.answers)
    assert all(check["passed"] for check in checks)
    assert set(found["not_asked"]) == {"image"}


def test_a_server_of_another_model_is_named_and_what_it_gave_is_kept(
    bundled: Bundled, server: str, tmp_path: Path
) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    path = project.bundle / "examples/outputs.npz"
    arrays = bundle.read_arrays(path)
    bundle.write_arrays(path, {**arrays, "logits": arrays["logits"] + np.float32(0.01)})
    (project.bundle / bundle.SUMS).unlink()
    bundle.write_sums(project.bundle)
    before = path.read_bytes()
    with pytest.raises(BundleError, match=r"logits differs .*; what it gave is in runs/verify"):
        run(project, url=server)
    assert path.read_bytes() == before
    kept = bundle.read_arrays(project.root / "runs/verify/server.npz")
    assert set(kept) == {*arrays, RELEVANCE}


def test_padding_is_not_sent_and_relevances_are_asked_for(stored: Stored) -> None:
    name = stored.signature.inputs[0].name
    with answering(b"{}") as (url, asked), pytest.raises(ServiceError):
        ask(url, stored)
    assert asked[0]["params"] == {"explain": True}
    for number, example in enumerate(asked[0]["inputs"]):
        sent = np.array(example[name])
        assert (sent[-1] != 0).any()
        assert np.array_equal(sent, stored.inputs[name][number, : len(sent)])
        assert not stored.inputs[name][number, len(sent) :].any()


def test_a_server_that_refuses_or_answers_something_else_is_one_line(stored: Stored) -> None:
    answers = right(stored)[:1]
    wrong: list[tuple[Any, int, str]] = [
        (b"no", 200, "got 'no', expected"),
        (b"[]", 200, r"expected \{\"predictions\""),
        ({"predictions": 3}, 200, "predictions: got int, expected a list"),
        ({"predictions": []}, 200, "got 0 answers to"),
        ({"message": "busy"}, 503, "status 503: .*busy"),
        ({"predictions": answers * 99}, 200, "got 99 answers to"),
    ]
    for content, status, words in wrong:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        with answering(body, status) as (url, _), pytest.raises(ServiceError, match=words) as caught:
            ask(url, stored)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"logits": None}, r"logits: got (shape \[\]|something else than numbers)"),
        ({"logits": [["a"]]}, "logits: got something else than numbers"),
        ({"logits": [0.0]}, r"logits: got shape \[1\], expected"),
        ({RELEVANCE: [[0.0]]}, r"relevance: got shape \[1, 1\], expected"),
    ],
)
def test_an_answer_of_another_form_is_one_line(stored: Stored, change: dict[str, Any], words: str) -> None:
    # Nobody knows how many examples the first request has: the number of answers that isn't refused.
    for count in range(1, 9):
        body = json.dumps({"predictions": [{**answer, **change} for answer in right(stored)[:count]]}).encode()
        with answering(body) as (url, _), pytest.raises(ServiceError) as caught:
            ask(url, stored)
        if "answers to" not in str(caught.value):
            break
    assert caught.match(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("127.0.0.1:5001", "expected for example http"),
        ("file:///etc/passwd", "expected for example http"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/invocations: no answer"),
        ("http://ada:secret@127.0.0.1:9", "http://127.0.0.1:9: got a name and a password in front of it"),
    ],
)
def test_an_address_without_a_server_is_one_line(stored: Stored, url: str, words: str) -> None:
    with pytest.raises(ServiceError, match=words) as caught:
        ask(url, stored)
    assert "secret" not in str(caught.value)


def test_no_server_is_a_failed_face_and_its_line_is_kept(bundled: Bundled, tmp_path: Path) -> None:
    project, _ = copy(bundled, tmp_path / "project")
    with pytest.raises(BundleError, match=r"^server gave no answer: http://.*: no answer .*is a server"):
        run(project, url="http://127.0.0.1:9")
    assert "is a server running there?" in (project.root / "runs/verify/server.txt").read_text()


def test_an_engine_that_does_not_work_or_a_name_that_is_none_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE", "false")
    with pytest.raises(ServiceError, match=r"tried: ENGINE=false.*set ENGINE"):
        find_engine()
    monkeypatch.setenv("ENGINE", "no-such-engine --remote")
    with pytest.raises(ServiceError, match="tried: ENGINE=no-such-engine --remote"), running("localhost/model:1"):
        pass
    for name in ("", "--privileged", "a b"):
        with pytest.raises(ServiceError, match=r"--image: got .*expected a name"), running(name):
            pass
