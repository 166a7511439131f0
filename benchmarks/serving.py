"""The server under load: requests per second, latencies, resident memory after many requests, start times.

``python benchmarks/serving.py [--bundle FOLDER] [--requests 100000] [--seconds 20] [--limit 3600] [--image NAME]``
starts the project's server as a process of its own, on a bundle of a full ParticleNet with random weights (the
project's own verbs build it, which takes minutes; ``--bundle`` takes one that is there), and prints JSON:

- ``cold_start_seconds``: from the start of the process until ``/ping`` answers;
- ``load``: for scores and explanations and 1, 8, 32 and 128 clients with one jet in a request: requests per second, p50
  and p99, and the server's CPU time per request, over ``--seconds`` each; of two servers that run beside each other and
  are asked in turn, one that computes each request alone and one that computes what gathers together;
- ``memory``: resident memory at several points of ``--requests`` requests, every tenth of them an explanation;
- ``image``: start time and size of a built image, if ``--image`` is given and podman or docker is there.

Clients are threads of this process, over loopback, with connections that stay open; they share the cores with the
server. Requests are the bundle's examples. Everything ends by itself, after ``--limit`` seconds at the latest.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Tests that build a project ask which model theirs is.
os.environ["TEST_MODEL"] = "particlenet"

from fair_hep.bundle import read_arrays

CLIENTS = (1, 8, 32, 128)
#: What the two servers compute in one pass, and turns that they are asked in: what else the machine does hits both.
TOGETHER = {"alone": "1", "together": "128"}
TURNS = 4
PARAMETERS: dict[str, dict[str, bool]] = {"predict": {}, "explain": {"explain": True}}
#: Parts of all requests after which memory is read, and every how many requests one asks for relevances.
POINTS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
EXPLAINED_EVERY = 10
#: Connections that the requests of the memory run come over.
BESIDE = 4
START_LIMIT = 120


class Deadline:
    """When everything must have ended."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def within(self, seconds: float) -> float:
        """Return the time until which something may take that long."""
        return min(self.end, time.monotonic() + seconds)


def build(root: Path) -> Path:
    """Build a bundle of a full ParticleNet with random weights, and return its folder."""
    from support.published import make_published

    project, _ = make_published(root, "model.preset=full", "evaluate.limit=64")
    return project.bundle


def bodies(bundle: Path, task: str) -> list[bytes]:
    """Return requests of one jet each, of different lengths."""
    particles = read_arrays(bundle / "examples" / "inputs.npz")["particles"]
    return [
        json.dumps({"inputs": [{"particles": jet[jet[:, 0] > 0].tolist()}], "params": PARAMETERS[task]}).encode()
        for jet in particles
    ]


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_ping(port: int, seconds: float, alive: Any = lambda: True) -> float:
    """Return how long it took until the server answered."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if not alive():
            raise SystemExit("the server ended before it answered")
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return time.monotonic() - started
        time.sleep(0.02)
    raise SystemExit(f"the server didn't answer within {seconds:g} s")


@contextlib.contextmanager
def serving(bundle: Path, log: Path, together: str) -> Iterator[tuple[int, subprocess.Popen[bytes], float]]:
    """Start the server; give its port, its process and its cold start in seconds; stop it."""
    port = free_port()
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "SERVE_TOGETHER": together}
    command = [sys.executable, "-m", "fair_hep.serve", str(bundle), "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield port, process, wait_for_ping(port, START_LIMIT, lambda: process.poll() is None)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def resident(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def cpu(pid: int) -> float:
    """Return the CPU time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Client:
    """One connection that stays open, and the latencies of what it asked."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.latencies: list[float] = []

    def ask(self, body: bytes) -> None:
        """Send one request, and read the answer to its end."""
        started = time.perf_counter()
        self.connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise SystemExit(f"status {response.status}: {answer[:200]!r}")
        self.latencies.append(time.perf_counter() - started)


def ask_together(port: int, clients: int, requests: list[bytes], *, count: int | None, end: float) -> list[float]:
    """Let clients ask in turn until so many requests or until the end; return all latencies."""
    asked = iter(range(count if count is not None else sys.maxsize))
    lock, everyone = threading.Lock(), [Client(port) for _ in range(clients)]
    failed: list[BaseException] = []

    def work(client: Client) -> None:
        try:
            while time.monotonic() < end and not failed:
                with lock:
                    number = next(asked, None)
                if number is None:
                    return
                client.ask(requests[number % len(requests)])
        except BaseException as error:  # told by the caller: a thread's own exit would go unseen
            failed.append(error)

    threads = [threading.Thread(target=work, args=(client,)) for client in everyone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return [latency for client in everyone for latency in client.latencies]


def measure_load(
    servers: dict[str, tuple[int, int]], bundle: Path, seconds: float, end: Deadline
) -> list[dict[str, Any]]:
    """Ask for scores and for explanations, with several numbers of clients, servers (port and process) in turn."""
    rows = []
    for task in PARAMETERS:
        requests = bodies(bundle, task)
        for port, _ in servers.values():
            ask_together(port, 1, requests, count=len(requests), end=end.within(seconds))
        for clients in CLIENTS:
            latencies: dict[str, list[float]] = {name: [] for name in servers}
            took, used = dict.fromkeys(servers, 0.0), dict.fromkeys(servers, 0.0)
            for name, (port, pid) in TURNS * list(servers.items()):
                started, before = time.perf_counter(), cpu(pid)
                latencies[name] += ask_together(port, clients, requests, count=None, end=end.within(seconds / TURNS))
                took[name] += time.perf_counter() - started
                used[name] += cpu(pid) - before
            for name, found in latencies.items():
                if not found:
                    raise SystemExit("the time limit is too short: raise --limit")
                found.sort()
                rows.append(
                    {
                        "task": task,
                        "clients": clients,
                        "server": name,
                        "requests": len(found),
                        "requests_per_second": len(found) / took[name],
                        "p50_ms": 1e3 * statistics.median(found),
                        "p99_ms": 1e3 * found[min(len(found) - 1, int(0.99 * len(found)))],
                        "server_cpu_ms_per_request": 1e3 * used[name] / len(found),
                        "load_average": os.getloadavg()[0],
                    }
                )
                _tell(rows[-1])
    return rows


def measure_memory(port: int, pid: int, bundle: Path, total: int, deadline: Deadline) -> list[dict[str, Any]]:
    """Ask many times; return resident memory at several points."""
    plain, explained = bodies(bundle, "predict"), bodies(bundle, "explain")
    mixed = [
        (plain if number % EXPLAINED_EVERY else explained)[number % len(plain)]
        for number in range(EXPLAINED_EVERY * len(plain))
    ]
    rows, done = [{"requests": 0, "resident_bytes": resident(pid)}], 0
    for point in POINTS:
        missing = round(point * total) - done
        if missing <= 0 or time.monotonic() >= deadline.end:
            continue
        done += len(ask_together(port, BESIDE, mixed, count=missing, end=deadline.end))
        rows.append({"requests": done, "resident_bytes": resident(pid)})
        _tell(rows[-1])
    return rows


def measure_image(image: str) -> dict[str, Any]:
    """Start an image, wait until it answers, and stop it."""
    engine = shutil.which("podman") or shutil.which("docker")
    if engine is None:
        raise SystemExit("--image: neither podman nor docker is installed")
    port = free_port()
    started = time.monotonic()
    command = [
        engine,
        "run",
        "--detach",
        "--rm",
        "--read-only",
        "--tmpfs",
        "/tmp",
        "-p",
        f"127.0.0.1:{port}:8080",
        image,
    ]
    container = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        wait_for_ping(port, START_LIMIT)
        seconds = time.monotonic() - started
    finally:
        subprocess.run([engine, "stop", container], check=False, capture_output=True)
    size = [engine, "image", "inspect", "--format", "{{.Size}}", image]
    told = subprocess.run(size, check=True, capture_output=True, text=True).stdout
    return {"image": image, "start_seconds": seconds, "bytes": int(told)}


def _tell(row: dict[str, Any]) -> None:
    print(json.dumps(row), file=sys.stderr, flush=True)


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="an exported bundle of ParticleNet; else one is built")
    parser.add_argument("--requests", type=int, default=100_000, help="requests until the last look at memory; 0: none")
    parser.add_argument("--seconds", type=float, default=20.0, help="time for each number of clients")
    parser.add_argument("--limit", type=float, default=3600.0, help="time for all requests together")
    parser.add_argument("--image", help="a built image whose start is measured too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bundle = arguments.bundle.resolve() if arguments.bundle else build(folder / "project")
        found: dict[str, Any] = {"load_average_before": os.getloadavg()}
        deadline = Deadline(arguments.limit)
        with contextlib.ExitStack() as stack:
            started = {
                name: stack.enter_context(serving(bundle, folder / f"{name}.log", together))
                for name, together in TOGETHER.items()
            }
            port, process, found["cold_start_seconds"] = started["together"]
            servers = {name: (port, process.pid) for name, (port, process, _) in started.items()}
            found["load"] = measure_load(servers, bundle, arguments.seconds, deadline)
            if arguments.requests:
                found["memory"] = measure_memory(port, process.pid, bundle, arguments.requests, deadline)
    if arguments.image:
        found["image"] = measure_image(arguments.image)
    print(json.dumps({**found, "load_average_after": os.getloadavg()}, indent=2))


if __name__ == "__main__":
    main()
