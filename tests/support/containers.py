"""Real containers without an engine in the background: podman with its own storage, a base image, and a registry.

Where images can't be pulled, the base is made from the packages of the system that runs the tests; ``BASE_IMAGE`` names
another one.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from support.needs import require

__all__ = ["Engine", "engine", "free_port"]

TOOLS = ("podman", "runc", "mmdebstrap", "docker-registry")
#: Certificates that this machine trusts: a build inside must trust them too.
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_HOOK = f"""#!/bin/sh
set -e
ln -s /usr/bin/python3 "$1/usr/local/bin/python"
rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED
cp {CERTIFICATES} "$1{CERTIFICATES}"
"""


class Engine:
    """Podman with storage and settings of its own.

    Parameters
    ----------
    folder
        Where everything lies that it keeps.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        settings = {
            "containers.conf": f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc=30000:30000"]\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
            f'tmp_dir = "{folder}/tmp"\n',
            "storage.conf": f'[storage]\ndriver = "overlay"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/root"\n',
        }
        for name, text in settings.items():
            (folder / name).write_text(text)
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }

    def __call__(self, *arguments: str, check: bool = True, timeout: float = 900) -> str:
        """Run a command of podman; return what it printed."""
        command = ["podman", *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=timeout
        )
        assert done.returncode == 0 or not check, f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout.strip()

    def base(self) -> str:
        """Return the name of an image with Python."""
        if name := os.environ.get("BASE_IMAGE"):
            return name
        hook, archive, name = self.folder / "hook.sh", self.folder / "base.tar", "localhost/python:3.11"
        hook.write_text(_HOOK)
        hook.chmod(0o755)
        packages = "ca-certificates,python3,python3-venv,python3-pip"
        made = ["mmdebstrap", "-q", "--variant=minbase", f"--include={packages}", f"--customize-hook={hook}"]
        subprocess.run([*made, "bookworm", str(archive)], check=True, capture_output=True, timeout=600)
        self("import", "-q", "--change", "ENV LANG=C.UTF-8", "--change", 'CMD ["python3"]', str(archive), name)
        archive.unlink()
        return name

    @contextlib.contextmanager
    def running(self, image: str, *options: str) -> Iterator[tuple[str, str]]:
        """Run an image as a stranger would; give the address and the name of the container."""
        port = free_port()
        published = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "-p", f"127.0.0.1:{port}:8080")
        name = self("run", "-d", *published, *options, image).splitlines()[-1]
        try:
            url, end = f"http://127.0.0.1:{port}", time.monotonic() + 60
            while True:
                with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/ping", timeout=5):
                    break
                assert time.monotonic() < end, self("logs", name, check=False)
                time.sleep(0.1)
            yield url, name
        finally:
            self("rm", "-f", "-t", "0", name, check=False)

    @contextlib.contextmanager
    def registry(self) -> Iterator[str]:
        """Run a registry on loopback; give its address."""
        port = free_port()
        settings = self.folder / "registry.yml"
        settings.write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {self.folder}/registry}}}}\n"
            f"http: {{addr: '127.0.0.1:{port}'}}\n"
        )
        with (self.folder / "registry.log").open("wb") as log:
            process = subprocess.Popen(["docker-registry", "serve", str(settings)], stdout=log, stderr=log)
        try:
            end = time.monotonic() + 30
            while True:
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5):
                    break
                assert process.poll() is None, (self.folder / "registry.log").read_text()
                assert time.monotonic() < end
                time.sleep(0.1)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """Give an engine, and take its storage away at the end."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    require(not missing, f"{', '.join(missing)} is missing: apt-get install {' '.join(TOOLS)}")
    require(os.geteuid() == 0, "containers without an engine need root")
    made = Engine(folder)
    try:
        yield made
    finally:
        made("rm", "-f", "-a", check=False)
        made("system", "reset", "-f", check=False)
        subprocess.run(["umount", str(folder / "root" / "overlay")], check=False, capture_output=True)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
