"""Connections that say nothing, or say it too slowly: each state has its deadline, and nobody keeps others out."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fair_hep.bundle.runtime import Answer, LoadedModel
from fair_hep.serve.server import _listen
from support.serving import connect, inside, post, rest, serving

HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\n"
HALF_BODY = HEAD + b"Content-Length: 1000\r\n\r\n{"
PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
EMPTY: dict[str, Any] = {"inputs": [[]]}


def ping(url: str) -> float:
    """Return the seconds until `/ping` is answered, by a connection of its own."""
    started = time.monotonic()
    with connect(url, PING) as opened:
        assert opened.recv(100).startswith(b"HTTP/1.1 200")
    return time.monotonic() - started


def ended(opened: Any, within: float) -> bytes:
    """Return what a connection gets until the server closes it, in time."""
    started = time.monotonic()
    found = rest(opened)
    assert time.monotonic() - started < within
    return found


@pytest.mark.parametrize(
    "sent", [b"", b"POST /invocations HT", HALF_BODY], ids=["silent", "half a header", "half a body"]
)
def test_whoever_says_nothing_keeps_nobody_out(model: LoadedModel, sent: bytes) -> None:
    with contextlib.ExitStack() as stack, inside(model, SERVE_CONNECTIONS="20") as url:
        opened = [stack.enter_context(connect(url, sent)) for _ in range(50)]
        assert ping(url) < 5
        assert post(url, EMPTY)[0] == 200
        # The newest ones stay: those that waited longest made room.
        opened[-1].settimeout(0.1)
        with pytest.raises(TimeoutError):
            opened[-1].recv(1)
        assert ended(opened[0], 5) == b""


@pytest.mark.parametrize(
    ("variable", "sent", "told"),
    [
        ("SERVE_HEADER_SECONDS", b"", b""),
        ("SERVE_HEADER_SECONDS", HEAD, b""),
        ("SERVE_BODY_SECONDS", HALF_BODY, b"HTTP/1.1 408"),
        ("SERVE_IDLE_SECONDS", PING, b"HTTP/1.1 200"),
    ],
    ids=["nothing", "header", "body", "idle"],
)
def test_each_state_has_its_deadline(model: LoadedModel, variable: str, sent: bytes, told: bytes) -> None:
    with inside(model, **{variable: "0.3"}) as url, connect(url, sent) as opened:
        answer = ended(opened, 5)
        assert answer.startswith(told)
        assert bool(answer) == bool(told)
        assert ping(url) < 5


def test_a_drip_does_not_prolong_a_deadline(model: LoadedModel) -> None:
    with inside(model, SERVE_HEADER_SECONDS="0.5") as url, connect(url, HEAD) as opened:
        end = time.monotonic() + 5
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            while time.monotonic() < end:
                opened.sendall(b"X: y\r\n")
                time.sleep(0.05)
        assert time.monotonic() < end


class Slow(LoadedModel):
    """A model whose every pass takes its time, and whose answers may be large."""

    def __init__(self, folder: Path, seconds: float, size: int = 1) -> None:
        super().__init__(folder, threads=1)
        self.seconds, self.size, self.passes = seconds, size, 0

    def predict_each(self, inputs: Any, **more: Any) -> list[Answer]:
        if not threading.current_thread().name.startswith("place"):  # the stored examples, asked beside
            return super().predict_each(inputs, **more)
        self.passes += 1
        time.sleep(self.seconds)
        found = [Answer(logits=np.zeros(self.size)) for _ in next(iter(inputs.values()))]
        for one in found:
            one.outside = []
        return found


def test_whoever_waits_for_an_answer_isnt_sent_away(folder: Path) -> None:
    body = json.dumps(EMPTY).encode()
    ask = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with contextlib.ExitStack() as stack, inside(Slow(folder, 0.5), SERVE_CONNECTIONS="3", SERVE_PARALLEL="3") as url:
        asking = [stack.enter_context(connect(url, ask)) for _ in range(3)]
        time.sleep(0.2)
        with connect(url) as late:
            assert b"503" in ended(late, 0.3)
        assert all(ended(one, 5).startswith(b"HTTP/1.1 200") for one in asking)


def test_an_answer_that_nobody_takes_is_dropped(folder: Path) -> None:
    body = json.dumps(EMPTY).encode()
    ask = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    # Four bytes for each number: more than the kernel's buffers take.
    with inside(Slow(folder, 0, 2_000_000), SERVE_SEND_SECONDS="0.5") as url, connect(url, ask, room=2**16) as opened:
        assert opened.recv(12) == b"HTTP/1.1 200"
        time.sleep(1.5)
        assert len(ended(opened, 10)) < 8_000_000


def test_the_end_comes_whatever_clients_do(folder: Path) -> None:
    with (
        contextlib.ExitStack() as stack,
        serving(folder, SERVE_CONNECTIONS="60", SERVE_LOG_LINES="20") as (url, process),
    ):
        for sent in (b"", HEAD, HALF_BODY, PING):
            for _ in range(50):
                stack.enter_context(connect(url, sent))
        # Answered when all before it are let in.
        ping(url)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)
        took = time.monotonic() - started
    assert took < 5
    lines = [json.loads(line) for line in output.splitlines()]
    # 141 closed connections: a part of them is told, and how many aren't.
    assert lines[-1]["event"] == "stopped"
    assert 20 <= len(lines) < 150
    assert sum(line.get("held_back", 0) for line in lines) + len(lines) > 130


def test_the_end_does_not_wait_for_a_pass_without_end(folder: Path) -> None:
    model = Slow(folder, 30)
    started = time.monotonic()
    with contextlib.ExitStack() as stack, inside(model, SERVE_GRACE_SECONDS="1") as url:
        body = json.dumps(EMPTY).encode()
        stack.enter_context(connect(url, HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)))
        while not model.passes:
            time.sleep(0.01)
    assert time.monotonic() - started < 10


def test_no_part_of_an_answer_waits_for_the_client_to_confirm_another() -> None:
    """Nagle's algorithm and a client's delayed confirmation together cost each answer 40 ms."""
    with _listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
