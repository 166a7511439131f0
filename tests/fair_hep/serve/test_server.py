"""The server of the image: stored answers and relevances over HTTP, one line for what doesn't fit, an orderly end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fair_hep import bundle
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.recipes import model as model_named
from support.serving import _answers, post, serving
from support.small import NAME, environment

Bundled = tuple[Project, Config]
MODEL = model_named(NAME)
INPUT = MODEL.inputs[0].name


@pytest.fixture(scope="module")
def server(bundled: Bundled) -> Iterator[str]:
    with serving(bundled[0]) as (url, _):
        yield url


@pytest.fixture(scope="module")
def examples(bundled: Bundled) -> list[Any]:
    values = bundle.read_arrays(bundled[0].bundle / "examples/inputs.npz")[INPUT]
    return [example[(example != 0).any(-1)].tolist() for example in values]


def test_the_request_in_the_bundle_gives_the_stored_answers(server: str, bundled: Bundled) -> None:
    status, answer = post(server, (bundled[0].bundle / bundle.REQUEST).read_bytes())
    stored = bundle.read_arrays(bundled[0].bundle / "examples/outputs.npz")
    assert status == 200
    for number, given in enumerate(answer["predictions"]):
        for name, values in stored.items():
            wanted = values[number][: len(given[name])] if values.ndim > 2 else values[number]
            assert np.allclose(given[name], wanted, rtol=1e-4, atol=1e-4)


def test_relevances_come_too_if_they_are_asked_for(server: str, bundled: Bundled, examples: list[Any]) -> None:
    stored = bundle.read_arrays(bundled[0].bundle / "examples/relevance.npz")["relevance"]
    doubtful = set(bundle.read_examples(bundled[0].bundle).unsteady)
    status, answer = post(server, {"inputs": examples, "params": {"explain": True, "top": 4}})
    assert status == 200
    for number, given in enumerate(answer["predictions"]):
        *taken, scale = given["ledger"]
        assert len(given["relevance"]) == len(given["elements"]) == min(4, len(examples[number]))
        if number not in doubtful:
            largest = np.abs(stored[number]).max()
            wanted = stored[number][given["elements"]]
            assert np.abs(np.array(given["relevance"]) - wanted).max() <= 5e-3 * largest
        assert np.isfinite([given["explained"], *taken, scale]).all()


def test_the_same_endpoints_as_mlflow_has(server: str) -> None:
    for path in ("ping", "health"):
        with urllib.request.urlopen(f"{server}/{path}", timeout=10) as answer:
            assert answer.read() == b"\n"
    with urllib.request.urlopen(f"{server}/version", timeout=10) as answer:
        assert json.load(answer)["model"] == NAME
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{server}/nothing", timeout=10)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"{", "body: not JSON"),
        (b"", "body: not JSON"),
        (b"[" * 100_000, "body: not JSON"),
        (b"[]", "body: got list, expected"),
        (b"{}", "body: got no keys, expected inputs"),
        (b'{"inputs": [], "more": 1}', "body: got inputs, more, expected inputs"),
        (b'{"inputs": []}', "inputs: got no examples, expected at least one"),
        (b'{"inputs": "all"}', "inputs: got str, expected a list"),
        (b'{"inputs": 3}', "inputs: got int, expected a list"),
        (b'{"inputs": [{"wrong": []}]}', f"inputs[0]: got wrong, expected {INPUT}"),
        (b'{"inputs": [[["a"]]]}', "got something else than numbers"),
        (b'{"inputs": [[[1, 2]]]}', f"{INPUT}[0]: got shape [1, 2], expected"),
        (b'{"inputs": [[]], "params": []}', "params: got list"),
        (b'{"inputs": [[]], "params": {"why": true}}', "params: got why, expected explain, top, edges"),
        (b'{"inputs": [[]], "params": {"explain": 1}}', "params.explain: got 1, expected true or false"),
        (b'{"inputs": [[]], "params": {"top": true}}', "params.top: got True, expected a number"),
        (b'{"inputs": [[]], "params": {"top": -3}}', "params.top: got -3, expected 0 (all elements) or more"),
    ],
)
def test_a_wrong_request_gets_one_line_and_the_server_lives_on(server: str, body: bytes, line: str) -> None:
    status, answer = post(server, body)
    assert status == 400
    assert line in answer["message"]
    assert "\n" not in answer["message"]
    assert _answers(server)


def test_values_that_cannot_be_are_named_with_their_place(server: str, examples: list[Any]) -> None:
    wrong = [row[:] for row in examples[1]]
    wrong[0][1] = float("nan")
    status, answer = post(server, {"inputs": [examples[0], wrong]})
    assert status == 400
    assert re.search(rf"{INPUT}\[1\]\[0, 1\] \(\w+\): got nan, expected a finite number", answer["message"])
    most = next(iter(MODEL.inputs[0].limits.values()))
    status, answer = post(server, {"inputs": [examples[0][:1] * (most + 1)]})
    assert status == 400
    assert f"got {most + 1} {MODEL.inputs[0].axes[1]}, expected at most {most}" in answer["message"]


def test_size_and_time_have_limits(bundled: Bundled, examples: list[Any]) -> None:
    with serving(bundled[0], SERVE_MAX_MEGABYTES="0.001") as (url, _):
        status, answer = post(url, {"inputs": examples})
        assert (status, answer["message"][:33]) == (413, "body: got more than 0.001 MiB: se")
        assert _answers(url)
    with serving(bundled[0], SERVE_TIMEOUT="0.001") as (url, _):
        status, answer = post(url, {"inputs": examples * 20, "params": {"explain": True}})
        assert status == 503
        assert "no answer within 0.001 s" in answer["message"]
        assert _answers(url)


def test_a_wrong_setting_or_a_damaged_bundle_ends_in_one_line(bundled: Bundled, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fair_hep.serve"]
    own = environment(bundled[0])
    for arguments, more, line in (
        ([str(tmp_path)], {}, "export"),
        ([str(bundled[0].bundle)], {"SERVE_TIMEOUT": "soon"}, "SERVE_TIMEOUT: got 'soon', expected a number above 0"),
        ([str(bundled[0].bundle)], {"SERVE_PARALLEL": "0.5"}, "SERVE_PARALLEL: got '0.5', expected a whole number"),
    ):
        done = subprocess.run(
            [*command, *arguments], env={**own, **more}, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert line in done.stderr


def test_a_request_in_flight_is_answered_before_the_end(bundled: Bundled, examples: list[Any]) -> None:
    with serving(bundled[0]) as (url, process):
        found: list[tuple[int, dict[str, Any]]] = []
        many = {"inputs": examples * 10, "params": {"explain": True}}
        asking = threading.Thread(target=lambda: found.append(post(url, many)))
        asking.start()
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=90)
        asking.join()
    assert process.returncode in (0, -signal.SIGTERM)
    assert found[0][0] == 200
    assert len(found[0][1]["predictions"]) == 10 * len(examples)
    logged = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    (told,) = [line for line in logged if line.get("path") == "/invocations"]
    assert told["status"] == 200
    assert told["examples"] == 10 * len(examples)
    assert {"time", "ms", "outside", "explain"} <= told.keys()


def test_many_clients_at_once_get_their_own_answers(server: str, examples: list[Any]) -> None:
    alone = [post(server, {"inputs": [example]})[1]["predictions"][0]["logits"] for example in examples[:4]]
    found: dict[int, Any] = {}

    def ask(number: int) -> None:
        found[number] = post(server, {"inputs": [examples[number % 4]]})[1]["predictions"][0]["logits"]

    asking = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert all(np.allclose(found[number], alone[number % 4], atol=1e-4) for number in range(16))


def test_serving_imports_no_training_framework() -> None:
    code = """
import sys
import fair_hep.serve.server
heavy = {"torch", "lightning", "mlflow", "matplotlib", "pandas", "scipy", "onnx"} & set(sys.modules)
assert not heavy, heavy
"""
    from support.small import SOURCE

    own = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
