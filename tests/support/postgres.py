"""A real tracking server on loopback: MLflow with PostgreSQL as its store, in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.containers import free_port
from support.needs import require

__all__ = ["postgres", "tracking_server"]

#: Where Debian puts what only the service itself calls.
DEBIAN = Path("/usr/lib/postgresql")
#: It refuses to run as root; its own user comes with the package.
USER = "postgres"


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Run PostgreSQL as a user who isn't root; give the address of an empty database, password included."""
    known = shutil.which("initdb")
    programs = Path(known).resolve().parent if known else max(DEBIAN.glob("*/bin"), default=DEBIAN)
    require((programs / "initdb").is_file(), "PostgreSQL is missing: apt-get install postgresql")
    own: dict[str, Any] = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
    folder, password, port = Path(tempfile.mkdtemp(prefix="postgres-")), secrets.token_hex(16), free_port()
    (folder / "password").write_text(password)
    if own:
        for path in (folder, folder / "password"):
            shutil.chown(path, USER, USER)
    own |= {"cwd": folder, "stdout": subprocess.DEVNULL}
    made = ["--auth=scram-sha-256", f"--pwfile={folder}/password", "--username=mlflow", "--no-sync", "--encoding=UTF8"]
    subprocess.run([str(programs / "initdb"), f"--pgdata={folder}/data", "--no-locale", *made], check=True, **own)
    settings = ("listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={folder}", "fsync=off")
    options = [part for setting in settings for part in ("-c", setting)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(programs / "postgres"), "-D", f"{folder}/data", *options], stderr=log, **own)
    try:
        _wait_for_postgres(process, port, password, folder / "log")
        yield f"postgresql+psycopg2://mlflow:{password}@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        shutil.rmtree(folder)


def _wait_for_postgres(process: subprocess.Popen[bytes], port: int, password: str, log: Path) -> None:
    import psycopg2

    end = time.monotonic() + 60
    while True:
        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(host="127.0.0.1", port=port, user="mlflow", password=password, dbname="postgres").close()
            return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


@contextlib.contextmanager
def tracking_server(folder: Path) -> Iterator[str]:
    """Run MLflow's server before PostgreSQL; artifacts go through it into a folder; give its address."""
    with postgres() as store:
        port = free_port()
        command = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        places = ["--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts")]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", *command, *places],
                cwd=folder, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "PATH": path, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )  # fmt: skip
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + 180
        try:
            while True:
                with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):
                    break
                assert process.poll() is None, (folder / "server.log").read_text()
                assert time.monotonic() < end, (folder / "server.log").read_text()
                time.sleep(0.2)
            yield url
        finally:
            # Its workers are a group of their own.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
