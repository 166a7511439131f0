"""The verb ``serve``: answer HTTP requests with the registered champion, until it is interrupted."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from ..bundle import REQUEST
from ..bundle.errors import MissingStepError, ServiceError
from ..bundle.extras import need
from ..provenance.configuration import Config
from ..provenance.project import Project
from ..publish.tracking import tracking_uri
from ..serve.server import serve
from .register import CHAMPION, champion, connected, registered_name

__all__ = ["Server", "run", "started"]

#: A cold start takes some seconds, on a busy machine more.
PATIENCE = 120.0
GRACE = 15.0
_QUIET = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}

log = logging.getLogger(__name__)


def run(project: Project, config: Config, *, port: int = 5001, host: str = "127.0.0.1") -> dict[str, Any]:
    """Serve ``models:/NAME@champion`` with MLflow until SIGINT or SIGTERM; leave no process behind.

    A bundle that the command was given is served as the image serves it, without registry and MLflow.

    Raises
    ------
    MissingStepError
        If nothing is registered.
    ServiceError
        If the port is taken, or the server doesn't start.
    """
    if not project.own_bundle:
        log.info("serving %s on http://%s:%d; stop with Ctrl-C", project.bundle, host, port)
        serve(project.bundle, host=host, port=port)
        return {"headline": ["stopped"], "host": host, "port": port}
    code = None
    with (
        contextlib.suppress(KeyboardInterrupt),
        _terminated(),
        started(project, config, port=port, host=host) as server,
    ):
        log.info("serving %s on %s; try it from another terminal, and stop with Ctrl-C:", server.model, server.url)
        request = (project.bundle / REQUEST).relative_to(project.root)
        log.info(
            "curl --silent %s/invocations --header 'Content-Type: application/json' --data @%s", server.url, request
        )
        code = server.process.wait()
    if code is not None:
        raise ServiceError(f"serve: the server ended by itself with exit code {code}; its messages are above")
    return {"headline": ["stopped"], "host": host, "port": port}


class Server:
    """A server that runs.

    Parameters
    ----------
    model
        Address of the model in the registry.
    url
        Address to send requests to, without a path.
    process
        Leader of the process group.
    """

    def __init__(self, model: str, url: str, process: subprocess.Popen[bytes]) -> None:
        self.model, self.url, self.process = model, url, process

    def answers(self) -> bool:
        """Say whether it answers ``/ping``."""
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=5) as answer:
                return int(answer.status) == 200
        except (urllib.error.URLError, OSError):
            return False


@contextlib.contextmanager
def started(project: Project, config: Config, *, port: int, host: str = "127.0.0.1") -> Iterator[Server]:
    """Start the server, wait until it answers, and stop the whole process group at the end.

    Raises
    ------
    MissingStepError
        If nothing is registered.
    ServiceError
        If the port is taken, or the server doesn't start.
    DataError
        If what MLflow serves with isn't installed.
    """
    need("serve", ("mlflow", "fastapi", "uvicorn"))
    uri, name = tracking_uri(project, config), registered_name(project, config)
    with connected(uri) as client:
        if champion(client, name) is None:
            raise MissingStepError(f"{name}@{CHAMPION} in the registry", "register")
    _check_free(host, port)
    model = f"models:/{name}@{CHAMPION}"
    # MLflow looks for uvicorn on the path, also where this environment isn't activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    process = subprocess.Popen(
        [*command, "-h", host, "-p", str(port)],
        env={**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": uri, **_QUIET},
        stdout=sys.stderr.fileno(),
        # A session of its own: MLflow starts a child that outlives it, so the group is what has to be stopped.
        start_new_session=True,
    )
    server = Server(model, f"http://{host}:{port}", process)
    try:
        _wait(server)
        yield server
    finally:
        _stop(process)


def _check_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServiceError(f"serve: {host}:{port}: {error.strerror}; choose another one with --port") from error


def _wait(server: Server) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + PATIENCE
    while not server.answers():
        code = server.process.poll()
        if code is not None:
            raise ServiceError(
                f"serve: the server ended with exit code {code} before it answered; its messages are above"
            )
        if time.monotonic() > end:
            raise ServiceError(
                f"serve: no answer from {server.url}/ping within {PATIENCE:.0f} s; its messages are above"
            )
        time.sleep(0.2)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop every process of the group: kindly, then not."""
    for kind, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        try:
            os.killpg(process.pid, kind)
        except ProcessLookupError:
            break
        end = time.monotonic() + patience
        while _alive(process.pid) and time.monotonic() < end:
            process.poll()
            time.sleep(0.05)
    process.wait()


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def _terminated() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C for a while, so that the server is stopped then too."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
