"""Folders that take the place of others: never a moment without one, and nothing of killed processes stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fair_hep.bundle import files, replace
from fair_hep.bundle.files import new_file, new_folder
from support.small import SOURCE

#: Makes a folder, says so, and waits to be killed.
_KILLED = """
import sys, time
from pathlib import Path
from fair_hep.bundle.files import new_folder
with new_folder(Path(sys.argv[1])) as folder:
    (folder / "half.txt").write_text("half")
    print(folder, flush=True)
    time.sleep(60)
"""


def make(target: Path, text: str) -> None:
    with new_folder(target) as folder:
        (folder / "a").mkdir()
        (folder / "a" / "text").write_text(text)


@pytest.fixture
def unable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a file system that can't exchange."""
    monkeypatch.setattr(replace, "exchanged", lambda one, other: False)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux and macOS exchange")
def test_there_is_no_moment_without_the_folder(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    make(target, "0")
    missed, done = [], threading.Event()

    def watch() -> None:
        while not done.is_set():
            try:
                (target / "a" / "text").stat()
            except OSError as error:
                missed.append(error)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(1, 50):
        make(target, str(number))
    done.set()
    watcher.join()
    assert missed == []
    assert (target / "a" / "text").read_text() == "49"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("unable")
def test_where_nothing_can_be_exchanged_it_is_moved_aside(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    for text in ("old", "new"):
        make(target, text)
    assert (target / "a" / "text").read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("unable")
def test_what_was_moved_aside_comes_back_if_the_new_one_cant_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, rename = tmp_path / "bundle", Path.replace
    make(target, "old")

    def full(self: Path, other: Path) -> Path:
        if self.suffix == replace.UNFINISHED:
            raise OSError("no space")
        return rename(self, other)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        make(target, "new")
    assert (target / "a" / "text").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_or_a_link_gives_its_place_and_nothing_else_is_lost(tmp_path: Path, kind: str) -> None:
    target, other = tmp_path / "bundle", tmp_path / "other"
    make(other, "kept")
    if kind == "link":
        target.symlink_to(other)
    else:
        target.write_text("a file")
    make(target, "new")
    assert not target.is_symlink()
    assert (target / "a" / "text").read_text() == "new"
    assert (other / "a" / "text").read_text() == "kept"
    assert sorted(tmp_path.iterdir()) == [target, other]


def test_all_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []

    def note(path: Path) -> None:
        assert (target.exists(), file.exists()) == (False, False) or path == tmp_path
        synced.append(path.name.partition("-")[0])

    target, file = tmp_path / "bundle", tmp_path / "x.json"
    for module in (files, replace):
        monkeypatch.setattr(module, "sync", note)
    make(target, "new")
    assert sorted(synced[:3]) == [".bundle", "a", "text"]
    assert synced[2:] == [".bundle", tmp_path.name.partition("-")[0]]
    target.rename(tmp_path / "away")
    synced.clear()
    with new_file(file) as name:
        name.write_text("1")
    assert synced == [".x"]


def test_what_killed_processes_left_is_swept_and_what_others_hold_stays(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    own = [tmp_path / name for name in (".bundle-old", ".bundle-personal", ".bundle-mine.part", ".other-abcd1234.part")]
    for folder in own:
        folder.mkdir()
    dead = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(target)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    with dead, new_folder(target) as alive:
        assert dead.stdout is not None
        left = Path(dead.stdout.readline().strip())
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        make(target, "young")
        assert left.exists(), "who made a folder may not have locked it yet"
        for folder in (left, alive, *own):
            os.utime(folder, (time.time() - 1000,) * 2)
        make(target, "new")
        assert not left.exists()
        assert alive.exists(), "a running process holds it"
        assert all(folder.exists() for folder in own)


def test_what_may_be_the_only_copy_is_not_swept(tmp_path: Path) -> None:
    target, aside = tmp_path / "bundle", tmp_path / ".bundle-abcd1234.old"
    make(aside, "the only copy")
    os.utime(aside, (time.time() - 1000,) * 2)
    with pytest.raises(RuntimeError), new_folder(target):
        raise RuntimeError
    assert aside.exists()
    for text in ("new", "newer"):
        make(target, text)
    assert list(tmp_path.iterdir()) == [target]
