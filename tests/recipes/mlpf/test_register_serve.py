"""MLPF registered and served: events of different sizes in one request, one line for what doesn't fit."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fair_hep import bundle
from fair_hep.project.register import run as register
from fair_hep.project.serve import Server, started
from fair_hep.project.verify import run as verify
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support.published import copy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(
    bundled: tuple[Project, Config], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, Server]]:
    with pytest.MonkeyPatch.context() as patch, socket.socket() as probe:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        probe.close()
        project, config = copy(bundled, tmp_path_factory.mktemp("served") / "project")
        found = register(project, config)
        assert found["moved"]
        assert not register(project, config)["moved"]
        with started(project, config, port=port) as running:
            yield project, running


def post(url: str, inputs: Any, params: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    body = json.dumps({"inputs": inputs, **({"params": params} if params else {})}).encode()
    request = urllib.request.Request(f"{url}/invocations", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return int(answer.status), json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_events_of_different_sizes_get_a_row_for_every_element(served: tuple[Project, Server]) -> None:
    project, server = served
    stored = bundle.read_arrays(project.bundle / "examples/inputs.npz")["elements"][:4]
    answers = bundle.read_arrays(project.bundle / "examples/outputs.npz")
    events = [event[event[:, 0] > 0] for event in stored]
    status, answer = post(server.url, [{"elements": event.tolist()} for event in events])
    assert status == 200
    for number, (event, given) in enumerate(zip(events, answer["predictions"], strict=True)):
        for name in ("probabilities", "momenta"):
            assert np.allclose(given[name], answers[name][number, : len(event)], atol=1e-4)


def test_the_server_says_why(served: tuple[Project, Server]) -> None:
    project, server = served
    event = bundle.read_arrays(project.bundle / "examples/inputs.npz")["elements"][0]
    event = event[event[:, 0] > 0][:60]
    status, answer = post(server.url, [{"elements": event.tolist()}], {"explain": True, "top": 20})
    assert status == 200
    (given,) = answer["predictions"]
    assert len(given["elements"]) == len(given["relevance"]) == 20
    assert len(given["relevance"][0]) == 12
    assert len(given["logits"]) == 60


def test_verify_takes_mlflows_server_as_a_face(served: tuple[Project, Server]) -> None:
    project, server = served
    checks = [check for check in verify(project, url=server.url)["checks"] if check["face"] == "server"]
    assert {check["output"] for check in checks} == {"logits", "momenta", "probabilities", "relevance"}
    assert all(check["passed"] for check in checks)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (0, 3.0, "elements[0][0, 0] (type): got 3"),
        (1, float("nan"), "elements[0][0, 1] (pt_or_et): got nan, expected a finite number"),
    ],
)
def test_a_wrong_element_gets_one_line_and_the_server_lives_on(
    served: tuple[Project, Server], column: int, value: float, words: str
) -> None:
    project, server = served
    event = bundle.read_arrays(project.bundle / "examples/inputs.npz")["elements"][0, :20].tolist()
    event[0][column] = value
    status, answer = post(server.url, [{"elements": event}])
    assert status == 400
    assert words in answer["message"]
    assert server.answers()
