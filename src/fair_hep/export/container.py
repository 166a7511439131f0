"""Start an image for a moment, with whatever engine takes docker's commands."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence

from ..bundle.errors import ServiceError

__all__ = ["find_engine", "running"]

#: Tried in this order, unless ``ENGINE`` names one.
KNOWN = ("docker", "podman")
#: Seconds for one command (a pull may be among them), and until a container answers.
COMMAND, PATIENCE = 900.0, 60.0
#: Where the server listens inside.
PORT = 8080
_NAME = re.compile(r"[A-Za-z0-9][\w./:@-]*")


def find_engine() -> list[str]:
    """Return the command of the engine: ``ENGINE``, else the first of docker and podman that works.

    Raises
    ------
    ServiceError
        If there is none.
    """
    named = shlex.split(os.environ.get("ENGINE", ""))
    for command in [named] if named else [[name] for name in KNOWN]:
        # A client of docker without its daemon is no engine; `info` asks both.
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            if subprocess.run([*command, "info"], capture_output=True, timeout=60, check=False).returncode == 0:
                return command
    tried = f"ENGINE={shlex.join(named)}" if named else " and ".join(KNOWN)
    raise ServiceError(f"--image: no engine for containers works here (tried: {tried}); install one, or set ENGINE")


@contextlib.contextmanager
def running(image: str) -> Iterator[str]:
    """Run an image as a stranger would: read-only, without privileges, on a free port of loopback; stop it at the end.

    Parameters
    ----------
    image
        Name of the image; the engine fetches it if it isn't there.

    Yields
    ------
    url
        Address of its server.

    Raises
    ------
    ServiceError
        If there is no engine, the image can't be started, or doesn't answer; the line holds its last words.
    """
    if not _NAME.fullmatch(image):
        raise ServiceError(f"--image: got {image!r}, expected a name such as docker.io/user/model:1.0")
    engine = find_engine()
    confined = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges")
    # The engine chooses a free port by itself, so that nobody can take it in between.
    container = _call(engine, "create", *confined, "--publish", f"127.0.0.1::{PORT}", image).splitlines()[-1]
    try:
        _call(engine, "start", container)
        url = f"http://{_call(engine, 'port', container, f'{PORT}/tcp').splitlines()[0]}"
        _wait(engine, container, url)
        yield url
    finally:
        # Asked to stop first, so that the server ends as it should.
        _try(engine, "stop", "-t", "20", container)
        _try(engine, "rm", "--force", container)


def _wait(engine: Sequence[str], container: str, url: str) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/ping", timeout=5):
            return
        alive = _call(engine, "inspect", "--format", "{{.State.Running}}", container) == "true"
        if not alive or time.monotonic() > end:
            words = " ".join(_try(engine, "logs", container).split())[-300:]
            what = f"no answer within {PATIENCE:.0f} s" if alive else "it ended by itself"
            raise ServiceError(f"--image: {what}: {words}")
        time.sleep(0.2)


def _call(engine: Sequence[str], *arguments: str) -> str:
    """Run a command of the engine; return what it printed."""
    try:
        done = subprocess.run([*engine, *arguments], capture_output=True, text=True, timeout=COMMAND, check=False)
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"--image: `{engine[0]} {arguments[0]}` took more than {COMMAND:.0f} s") from error
    if done.returncode != 0:
        line = " ".join(done.stderr.split())[-300:]
        raise ServiceError(f"--image: `{engine[0]} {arguments[0]}` failed: {line}")
    return done.stdout.strip()


def _try(engine: Sequence[str], *arguments: str) -> str:
    """Run a command whose failure changes nothing any more; return what it printed on both channels."""
    done = subprocess.run([*engine, *arguments], capture_output=True, text=True, timeout=COMMAND, check=False)
    return done.stdout + done.stderr
