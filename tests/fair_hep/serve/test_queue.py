"""Who is computed when: a bounded queue, small requests in turn with large ones, an end to what nobody waits for."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fair_hep.bundle.errors import BundleError
from fair_hep.bundle.runtime import Answer, LoadedModel, load
from support.kept import kept
from support.serving import connect, inside, post

Between = Callable[[int], None]


class Counting(LoadedModel):
    """A model that answers nothing, after some time for each pass, and counts its passes and those side by side."""

    def __init__(self, folder: Path, seconds: float, size: int = 1) -> None:
        super().__init__(folder, threads=1)
        self.seconds, self.size = seconds, size
        self.passes = self.running = self.most = 0
        self._lock = threading.Lock()

    def predict_each(self, inputs: Any, **more: Any) -> list[Answer]:
        if not threading.current_thread().name.startswith("place"):  # the stored examples, asked beside
            return super().predict_each(inputs, **more)
        with self._lock:
            self.passes += 1
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(self.seconds)
        with self._lock:
            self.running -= 1
        found = [Answer(logits=np.zeros(self.size)) for _ in next(iter(inputs.values()))]
        for one in found:
            one.outside = []
        return found


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls beside each other; return what they gave, in their order."""
    found: list[Any] = [None] * len(calls)

    def run(number: int) -> None:
        found[number] = calls[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_what_nobody_waits_for_any_more_keeps_its_place_and_goes_no_further(folder: Path) -> None:
    model = Counting(folder, 1.5)
    with inside(model, SERVE_PARALLEL="1", SERVE_TIMEOUT="1") as url:
        many: dict[str, Any] = {"inputs": [[]] * 800}
        for status, answer in together(*[lambda: post(url, many)] * 3):
            assert status == 503
            assert "no answer within 1 s: send fewer examples in one request (SERVE_TIMEOUT)" in answer["message"]
        time.sleep(2)
        # Of 21 passes only those that had begun.
        assert 1 <= model.passes <= 3
        assert model.most == 1


def test_a_client_that_hangs_up_is_not_computed_for(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = Counting(folder, 0.1)
    caplog.set_level(logging.INFO, "fair_hep.serve")
    body = json.dumps({"inputs": [[]] * 5000}).encode()
    with inside(model, SERVE_PARALLEL="1") as url:
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        with connect(url, head + body):
            while not model.passes:
                time.sleep(0.01)
        with connect(url, head + body[:20]):
            time.sleep(0.2)
        time.sleep(0.5)
        assert model.passes < 8
        seen = model.passes
        time.sleep(0.5)
        assert model.passes == seen
    told = [record.__dict__["fields"] for record in caplog.records if record.getMessage() == "request"]
    assert [(one["status"], one["reason"]) for one in told] == [(499, "gone")] * 2
    assert not any(record.exc_info for record in caplog.records)


def test_a_full_queue_says_when_to_try_again(folder: Path) -> None:
    with inside(Counting(folder, 0.5), SERVE_PARALLEL="1", SERVE_QUEUE="2") as url:
        found: list[int] = []

        def ask() -> None:
            request = urllib.request.Request(f"{url}/invocations", b'{"inputs": [[]]}')
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    found.append(answer.status)
            except urllib.error.HTTPError as error:
                assert error.headers["Retry-After"] == "1"
                assert "more requests than it can take" in json.load(error)["message"]
                found.append(error.code)

        together(*[ask] * 6)
    assert sorted(found) == [200] * 2 + [503] * 4


def test_a_small_request_waits_for_a_pass_not_for_a_large_request(folder: Path) -> None:
    model = Counting(folder, 0.1)
    with inside(model, SERVE_PARALLEL="1") as url:
        ended: dict[str, float] = {}

        def ask(name: str, count: int, after: float) -> None:
            time.sleep(after)
            assert post(url, {"inputs": [[]] * count})[0] == 200
            ended[name] = time.monotonic()

        together(lambda: ask("large", 128 * 20, 0), lambda: ask("small", 1, 0.3))
    assert ended["large"] - ended["small"] > 0.8


def test_an_answer_has_a_largest_size(folder: Path) -> None:
    with inside(Counting(folder, 0, 5000), SERVE_MAX_ANSWER_MEGABYTES="0.1") as url:
        assert post(url, {"inputs": [[]]})[0] == 200
        status, answer = post(url, {"inputs": [[]] * 50})
    assert status == 413
    assert "answer: more than 0.1 MiB (SERVE_MAX_ANSWER_MEGABYTES): send fewer examples" in answer["message"]


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (RuntimeError("a bug"), 500, "the server failed; its log says how"),
        (BundleError("the graph can't compute these"), 500, "the graph can't compute these"),
        (MemoryError(), 503, "no memory for this request"),
    ],
)
def test_what_fails_is_answered_logged_and_over(
    folder: Path, caplog: pytest.LogCaptureFixture, error: Exception, status: int, line: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    model = Counting(folder, 0)
    caplog.set_level(logging.INFO, "fair_hep.serve")
    with inside(model, SERVE_PARALLEL="1") as url:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(model, "predict_each", fail)
            got, answer = post(url, {"inputs": [[]]})
        assert got == status
        assert line in answer["message"]
        assert post(url, {"inputs": [[]]})[0] == 200
    traces = [logging.Formatter().formatException(record.exc_info) for record in caplog.records if record.exc_info]
    assert len(traces) == (status == 500)
    assert all("test_queue.py" in trace for trace in traces)


@pytest.mark.parametrize("name", ["particlenet", "mlpf", "imported"])
def test_an_empty_example_is_answered_alone_and_among_others(name: str, tmp_path: Path) -> None:
    model = load(kept(name, tmp_path), threads=1)
    given = json.loads((model.folder / "examples" / "request.json").read_text())["inputs"]
    with inside(model, SERVE_PARALLEL="1") as url:
        for params in ({}, {"explain": True}):
            status, alone = post(url, {"inputs": [[]], "params": params})
            assert status == 200
            status, among = post(url, {"inputs": [given[0], [], given[1]], "params": params})
            assert status == 200
            _, others = post(url, {"inputs": given[:2], "params": params})
            (empty,) = alone["predictions"]
            assert empty["outside"][0].endswith("there is nothing to judge by")
            first, second = others["predictions"]
            for answer, wanted in zip(among["predictions"], (first, empty, second), strict=True):
                for output in ("logits", *(["relevance", "ledger"] if params else [])):
                    np.testing.assert_allclose(answer[output], wanted[output], rtol=1e-3, atol=1e-3)
            if params:
                assert empty["relevance"] == empty["elements"] == []


def test_no_address_is_made_of_what_a_client_says(folder: Path) -> None:
    with inside(Counting(folder, 0)) as url, contextlib.ExitStack() as stack:
        for path in ("/invocations/", "/ping/", "//evil.example/ping", "/docs"):
            head = f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
            answer = stack.enter_context(connect(url, head.encode())).recv(1000)
            assert answer.startswith(b"HTTP/1.1 404")
            assert b"location" not in answer.lower()
