"""One writer in a run folder, and nothing to clear away behind one that was killed."""

from __future__ import annotations

import errno
import fcntl
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from fair_hep.bundle.errors import ProjectError
from fair_hep.project.held import LOCK, held

#: Takes the same lock as the library, says so, and waits.
HOLDER = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(handle, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_one_is_refused_until_the_first_dies(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "quick"
    with held(folder, "a training"):
        pass
    command = [sys.executable, "-c", HOLDER, str(folder / LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        words = r"^runs/quick: a training is at work there \(process \d+ on .+, since .+\); wait for it, or "
        with pytest.raises(ProjectError, match=words) as error, held(folder, "another"):
            pytest.fail("two at a time")
        assert "\n" not in str(error.value)
        (folder / LOCK).write_text("")
        with pytest.raises(ProjectError, match="runs/quick: another process is at work there"), held(folder, "another"):
            pytest.fail("two at a time")
        other.kill()
        other.wait()
    with held(folder, "another"):
        assert "another" in (folder / LOCK).read_text()


def test_who_holds_a_folder_may_ask_again(tmp_path: Path) -> None:
    with held(tmp_path, "a chain"), held(tmp_path, "a training"):
        pass
    with held(tmp_path, "a training"), (tmp_path / LOCK).open("r+") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_file_system_without_locks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with caplog.at_level(logging.WARNING), held(tmp_path, "a training"):
        pass
    assert "no two trainings run there" in caplog.text
