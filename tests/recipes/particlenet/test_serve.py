"""Serving: a real server gives the stored answers over HTTP, refuses in one line, and leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fair_hep import bundle
from fair_hep.bundle.errors import MissingStepError, ServiceError
from fair_hep.project.register import run as register
from fair_hep.project.serve import Server, run, started
from fair_hep.project.verify import run as verify
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.containers import free_port
from support.published import EXAMPLES, copy
from support.small import environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def registered(bundled: tuple[Project, Config], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        project, config = copy(bundled, tmp_path_factory.mktemp("served") / "project")
        register(project, config)
        yield project


@pytest.fixture(scope="module")
def server(registered: Project, bundled: tuple[Project, Config]) -> Iterator[Server]:
    with started(registered, bundled[1], port=free_port()) as running:
        yield running


def post(url: str, body: bytes) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(f"{url}/invocations", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status), json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_request_in_the_bundle_gives_the_stored_answers(server: Server, registered: Project) -> None:
    status, answer = post(server.url, (registered.bundle / bundle.REQUEST).read_bytes())
    stored = bundle.read_arrays(registered.bundle / "examples/outputs.npz")
    assert status == 200
    for number, given in enumerate(answer["predictions"]):
        for name, values in stored.items():
            assert np.allclose(given[name], values[number], atol=1e-5)


def test_a_rectangular_tensor_and_jets_of_different_lengths_give_the_same(server: Server, registered: Project) -> None:
    particles = bundle.read_arrays(registered.bundle / "examples/inputs.npz")["particles"]
    ragged = [{"particles": jet[jet[:, 0] > 0].tolist()} for jet in particles]
    answers = [post(server.url, json.dumps({"inputs": inputs}).encode()) for inputs in (particles.tolist(), ragged)]
    assert [status for status, _ in answers] == [200, 200]
    first, second = ([one["logits"] for one in answer["predictions"]] for _, answer in answers)
    assert len(first) == EXAMPLES
    assert np.allclose(first, second, atol=1e-5)


def test_the_server_says_why(server: Server, registered: Project) -> None:
    particles = bundle.read_arrays(registered.bundle / "examples/inputs.npz")["particles"][:3]
    jets = [{"particles": jet[jet[:, 0] > 0].tolist()} for jet in particles]
    stored = bundle.read_arrays(registered.bundle / "examples/relevance.npz")["relevance"]
    body = {"inputs": jets, "params": {"explain": True, "top": 5, "edges": True}}
    status, answer = post(server.url, json.dumps(body).encode())
    assert status == 200
    for jet, given, wanted in zip(jets, answer["predictions"], stored, strict=False):
        relevance, elements = np.array(given["relevance"]), given["elements"]
        assert len(elements) == len(relevance) == min(5, len(jet["particles"]))
        largest = np.abs(wanted).max()
        assert np.abs(relevance - wanted[elements]).max() <= 5e-3 * largest
        sums = np.abs(wanted).sum(1)
        assert np.all(np.diff(sums[elements]) <= 1e-2 * sums.max())
        assert given["explained"] == pytest.approx(given["logits"][1] - given["logits"][0], abs=1e-4)
        assert len(given["edge0_index"]) == len(given["edge1_relevance"]) == len(elements)
    status, answer = post(server.url, json.dumps({"inputs": jets, "params": {"explain": True}}).encode())
    assert [len(given["relevance"]) for given in answer["predictions"]] == [len(jet["particles"]) for jet in jets]
    assert "edge0_index" not in answer["predictions"][0]


def test_verify_takes_mlflows_server_as_a_face(server: Server, registered: Project) -> None:
    checks = [check for check in verify(registered, url=server.url)["checks"] if check["face"] == "server"]
    assert {check["output"] for check in checks} == {"logits", "probabilities", "relevance"}
    assert all(check["passed"] for check in checks)


def test_integers_are_numbers(server: Server) -> None:
    status, answer = post(server.url, b'{"inputs": [[[5, 3, 0, 4], [10, 0, 6, 8]]]}')
    assert status == 200
    assert len(answer["predictions"]) == 1


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"{", "JSON"),
        (b'{"inputs": []}', "inputs: got no examples, expected at least one"),
        (b'{"inputs": [{"jets": []}]}', "inputs[0]: got jets, expected particles"),
        (b'{"inputs": [[[1, 2, NaN, 4]]]}', "particles[0][0, 2] (py): got nan, expected a finite number"),
        (b'{"inputs": [[[-1, 2, 3, 4]]]}', "particles[0][0, 0] (E): got -1.0, expected more than 0 GeV"),
        (b'{"inputs": [[[1, 2, 3]]]}', "expected [constituents, 4]: E, px, py, pz in GeV"),
        (b'{"inputs": [[[0, 2, 3, 4]]]}', "particles[0][0, 0] (E): got 0.0, expected more than 0 GeV"),
        (
            b'{"inputs": [[' + b",".join([b"[5, 3, 0, 4]"] * 513) + b"]]}",
            "particles[0]: got 513 constituents, expected at most 512",
        ),
        (b"", "JSON"),
        (b"{}", "inputs"),
        (b'{"inputs": "jets"}', "Expected list"),
        (b'{"inputs": [[[5, 3, 0, 4]]], "params": {"explain": true, "top": -1}}', "params.top: got -1, expected 0"),
        (b'{"inputs": [[[5, 3, 0, 4]]], "params": {"explain": "why"}}', "explain"),
    ],
)
def test_a_wrong_request_gets_one_line_and_the_server_lives_on(server: Server, body: bytes, line: str) -> None:
    status, answer = post(server.url, body)
    assert status == 400
    assert line in answer["message"]
    assert "stack_trace" not in answer
    assert "Traceback" not in json.dumps(answer)
    assert server.answers()


def test_a_port_that_is_taken_is_one_line(server: Server, registered: Project, bundled: tuple[Project, Config]) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    with pytest.raises(ServiceError, match=f"{port}.*--port"), started(registered, bundled[1], port=port):
        pass


def test_nothing_registered_says_what_to_run(
    bundled: tuple[Project, Config], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project, config = copy(bundled, tmp_path / "project")
    with pytest.raises(MissingStepError, match="run `register` first"):
        run(project, config, port=free_port())


def test_the_whole_group_is_stopped_at_the_end_and_after_an_error(
    registered: Project, bundled: tuple[Project, Config]
) -> None:
    with pytest.raises(RuntimeError), started(registered, bundled[1], port=free_port()) as running:
        group = running.process.pid
        assert alive(group)
        raise RuntimeError
    assert not alive(group)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_command_and_server(registered: Project, kind: signal.Signals) -> None:
    # What runs in the background of a script is deaf to an interrupt, and so is what it starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    port, log = free_port(), registered.root / f"serve-{kind.name}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "fair_hep.cli", "serve", "--port", str(port)],
            cwd=registered.root,
            env=environment(registered),
            stderr=stream,
            stdout=subprocess.PIPE,
        )
    signal.signal(signal.SIGINT, before)
    try:
        end = time.monotonic() + 120
        while b"curl --silent" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end
            time.sleep(0.2)
        running = Server("", f"http://127.0.0.1:{port}", process)
        assert running.answers()
        process.send_signal(kind)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, log.read_text()
    assert output.decode().strip() == "stopped"
    assert not running.answers()
