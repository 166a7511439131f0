"""The server of the image, started for a test: as a process of its own, or in a thread of this one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fair_hep.bundle.runtime import LoadedModel
from fair_hep.provenance.project import Project
from fair_hep.serve.access import Access
from fair_hep.serve.limits import Limits
from fair_hep.serve.server import make_server
from support.containers import free_port
from support.template import ROOT


@contextmanager
def serving(place: Project | Path, **variables: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start the server as a process, on a project's bundle or one in a folder; give its address, and stop it."""
    port = free_port()
    folder = place if isinstance(place, Path) else place.bundle
    own = {"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "fair_hep.serve", str(folder), "--port", str(port)],
        env={**os.environ, **own, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 60
        while not _answers(url):
            assert process.poll() is None, process.stdout.read() if process.stdout else ""
            assert time.monotonic() < end
            time.sleep(0.05)
        yield url, process
    finally:
        process.kill()
        process.wait()


@contextmanager
def inside(model: LoadedModel | Sequence[LoadedModel], **variables: str) -> Iterator[str]:
    """Run the server of a model, or of several, in a thread of this process, with these limits; give its address."""
    models = [model] if isinstance(model, LoadedModel) else model
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = make_server(models, Limits.read(variables), Access.read(variables))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def connect(url: str, sent: bytes = b"", timeout: float = 20, room: int = 0) -> socket.socket:
    """Open a connection, with so much room for what isn't read, and send the beginning of something."""
    parts = urlsplit(url)
    opened = socket.socket()
    if room:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    opened.settimeout(timeout)
    opened.connect((parts.hostname, parts.port))
    opened.sendall(sent)
    return opened


def rest(opened: socket.socket) -> bytes:
    """Return what comes until the server closes a connection; a time-out of the socket is an error."""
    found = b""
    try:
        while part := opened.recv(2**16):
            found += part
    except ConnectionResetError:
        pass
    return found


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/ping", timeout=5) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError):
        return False


def post(url: str, body: Any, timeout: float = 120) -> tuple[int, dict[str, Any]]:
    """Ask; return the status and the answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/invocations", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return int(answer.status), json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
