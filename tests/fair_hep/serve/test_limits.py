"""Limits: read from the environment, never more than memory and files allow, refused at the start in one line."""

from __future__ import annotations

import re
import resource
from pathlib import Path

import pytest

from fair_hep.bundle.errors import DataError
from fair_hep.serve.limits import MEGABYTE, VALUE, Limits
from fair_hep.serve.memory import allowed


@pytest.mark.parametrize("memory", [384, 512, 1024, 4096, 2**16])
@pytest.mark.parametrize("parallel", [1, 8])
def test_the_defaults_fit_into_the_memory(memory: int, parallel: int) -> None:
    limits = Limits.read({"SERVE_PARALLEL": str(parallel)}, memory * MEGABYTE)
    # A row of seven numbers and the list around it, as Python's objects, in every place; all bodies that wait.
    parsed = limits.elements * 8 * VALUE * parallel
    assert parsed + limits.buffer <= max(memory - 256, 0) * MEGABYTE or limits.elements == 1000
    assert 2 * limits.megabytes * MEGABYTE <= limits.buffer
    assert limits.megabytes <= 32


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("SERVE_PARALLEL", "0.5", "SERVE_PARALLEL: got '0.5', expected a whole number above 0"),
        ("SERVE_PARALLEL", "0", "expected a whole number"),
        ("SERVE_PARALLEL", "²", "expected a whole number"),
        ("SERVE_QUEUE", "-1", "expected a whole number"),
        ("SERVE_TIMEOUT", "soon", "SERVE_TIMEOUT: got 'soon', expected a number above 0, for example 60"),
        ("SERVE_TIMEOUT", "nan", "expected a number above 0"),
        ("SERVE_TIMEOUT", "inf", "expected a number above 0"),
        ("SERVE_MAX_MEGABYTES", "400", "SERVE_MAX_MEGABYTES: got 400, expected at most 96"),
        (
            "SERVE_CONNECTIONS",
            "2000000000",
            r"SERVE_CONNECTIONS: got 2000000000, expected at most \d+: see `ulimit -n`",
        ),
    ],
)
def test_what_cannot_be_is_refused(name: str, value: str, line: str) -> None:
    with pytest.raises(DataError, match=line) as caught:
        Limits.read({name: value}, 1024 * MEGABYTE)
    assert name in str(caught.value)


def test_a_server_without_memory_is_refused() -> None:
    with pytest.raises(DataError, match=re.escape("memory: got 300 MiB, expected at least 320")):
        Limits.read({}, 300 * MEGABYTE)


def test_connections_leave_files_for_the_rest() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        assert Limits.read({}).connections <= 256 - 64
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_memory_is_the_least_of_what_is_told(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("0::/a/b\n")
    groups = tmp_path / "groups"
    (groups / "a" / "b").mkdir(parents=True)
    assert allowed(groups, own) == allowed(tmp_path / "nowhere", tmp_path / "nothing")
    (groups / "a" / "b" / "memory.max").write_text("max\n")
    (groups / "a" / "memory.max").write_text("700000000\n")
    assert allowed(groups, own) == 700_000_000
    (groups / "memory").mkdir()
    (groups / "memory" / "memory.limit_in_bytes").write_text("500000000\n")
    assert allowed(groups, own) == 500_000_000
