"""Good and hostile clients together for a while: what the server gave each of them, and what it took."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from fair_hep.bundle.answer import answer
from fair_hep.bundle.runtime import LoadedModel
from support.serving import connect

GOOD, HOSTILE = 4, 4
#: Relative and absolute difference of an answer that was computed among others.
_RELATIVE, _ABSOLUTE = 1e-3, 1e-3
_HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\n"


@dataclass
class Soaked:
    """What was seen.

    Attributes
    ----------
    statuses
        How often each status came, of good clients' requests.
    wrong
        Answers that weren't those of the model alone, and statuses that nobody may get.
    pings
        Seconds until each `/ping` was answered, over a connection of its own.
    memory
        Resident bytes of the server, once a second.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    pings: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return the figures."""
        pings = np.array(self.pings)
        third = max(1, len(self.memory) // 3)
        return {
            "statuses": dict(self.statuses),
            "wrong": self.wrong[:5],
            "pings": len(pings),
            "ping_ms": {f"p{q}": round(1e3 * float(np.percentile(pings, q)), 1) for q in (50, 99)},
            "memory_mib": {
                "after a third": round(max(self.memory[:third]) / 2**20),
                "at the end": round(max(self.memory[-third:]) / 2**20),
            },
        }


def soak(url: str, pid: int, model: LoadedModel, seconds: float, *, seed: int = 1) -> Soaked:
    """Let clients do their best and their worst.

    Parameters
    ----------
    url, pid
        Address and process of the server.
    model
        What it serves, to compare with.
    seconds
        How long.
    seed
        Of what hostile clients do.
    """
    found, end = Soaked(), time.monotonic() + seconds
    name = model.signature.inputs[0].name
    values = json.loads((model.folder / "examples" / "request.json").read_text())["inputs"]
    questions = []
    for params in ({}, {"explain": True}) if model.signature.explained else ({},):
        for inputs in ([values[0]], [values[1], {name: []}], values[:2]):
            body = json.dumps({"inputs": inputs, "params": params}).encode()
            questions.append((body, answer(model, inputs, params)))
    work: list[Callable[[], None]] = [lambda: _ping(url, found, end), lambda: _watch(pid, found, end)]
    work += [lambda n=n: _good(url, questions, found, end, random.Random(seed + n)) for n in range(GOOD)]  # type: ignore[misc]
    work += [lambda n=n: _hostile(url, end, random.Random(seed + 100 + n)) for n in range(HOSTILE)]  # type: ignore[misc]
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _good(url: str, questions: list[tuple[bytes, Any]], found: Soaked, end: float, chance: random.Random) -> None:
    """Ask what is right, and compare."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
    while time.monotonic() < end:
        body, wanted = chance.choice(questions)
        try:
            connection.request("POST", "/invocations", body)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            # A connection that waits for its next request may be closed for somebody else's.
            connection.close()
            found.statuses[0] += 1
            continue
        found.statuses[response.status] += 1
        if response.status == 200:
            for got, expected in zip(json.loads(content)["predictions"], wanted, strict=True):
                for name in ("logits", "probabilities", "relevance", "ledger", "explained"):
                    if name in expected and not np.allclose(got[name], expected[name], _RELATIVE, _ABSOLUTE):
                        found.wrong.append(f"{name}: got {got[name]}, expected {expected[name]}"[:500])
        elif response.status != 503 or not response.headers["Retry-After"]:
            found.wrong.append(f"status {response.status}: {content[:200]!r}")


def _hostile(url: str, end: float, chance: random.Random) -> None:
    """Do one bad thing after another; some connections stay open."""
    ask = b'{"inputs": [[]], "params": {"explain": true}}'
    whole = _HEAD + b"Content-Length: %d\r\n\r\n%s"
    many = b'{"inputs": [' + b"[]," * 200_000 + b"[]]}"
    bad = (
        b"", b"GET / HT", _HEAD, _HEAD + b"Content-Length: 1000\r\n\r\n{", b"\x16\x03\x01\x00", b"GET / HTTP/9\r\n\r\n",
        _HEAD + b"Content-Length: 99999999999\r\n\r\n", _HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffff\r\n[",
        whole % (len(many), many), whole % (len(ask), ask), whole % (2000, b"[" * 2000), whole % (4, b'"\xff\\"'),
        b"GET /" + b"x" * 70_000, b"GET /ping HTTP/1.1\r\n" + b"A: b\r\n" * 20_000,
    )  # fmt: skip
    kept: list[Any] = []
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            kept.append(connect(url, chance.choice(bad), timeout=5))
            if chance.random() < 0.3:
                kept[-1].recv(100)
        if len(kept) > 100 or chance.random() < 0.05:
            for one in kept:
                one.close()
            kept.clear()
        time.sleep(0.01)
    for one in kept:
        one.close()


def _ping(url: str, found: Soaked, end: float) -> None:
    while time.monotonic() < end:
        started = time.monotonic()
        try:
            with connect(url, b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", timeout=30) as opened:
                told = opened.recv(100)
        except OSError as error:
            told = repr(error).encode()
        if not told.startswith(b"HTTP/1.1 200"):
            found.wrong.append(f"ping: {told!r}")
        found.pings.append(time.monotonic() - started)
        time.sleep(0.05)


def _watch(pid: int, found: Soaked, end: float) -> None:
    while time.monotonic() < end:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        found.memory.append(pages * os.sysconf("SC_PAGE_SIZE"))
        time.sleep(1)
