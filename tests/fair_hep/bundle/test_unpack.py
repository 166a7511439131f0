"""Archives from strangers: hostile ones are refused in one line, and nothing of them gets onto the disk."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fair_hep.bundle.errors import DataError
from fair_hep.bundle.unpack import unpack

NAME = "model-0.1.0.zip"


def _names(*names: str) -> Callable[[zipfile.ZipFile], None]:
    def write(out: zipfile.ZipFile) -> None:
        for name in names:
            out.writestr(name, "x")

    return write


def _link(out: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("model/link")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    out.writestr(entry, "/etc/passwd")


def _bomb(out: zipfile.ZipFile) -> None:
    with out.open("model/zeros", "w") as stream:
        for _ in range(80):
            stream.write(bytes(2**20))


HOSTILE: dict[str, tuple[Callable[[zipfile.ZipFile], None], str]] = {
    "up": (_names("model/a", "model/../../up"), "leads elsewhere"),
    "absolute": (_names("/etc/x"), "leads elsewhere"),
    "drive": (_names("model/C:/x"), "leads elsewhere"),
    "backslash": (_names("model\\..\\x"), "leads elsewhere"),
    "control": (_names("model/a\nb"), "leads elsewhere"),
    "dot": (_names("model/./a"), "leads elsewhere"),
    "top": (_names("a"), "leads elsewhere"),
    "twice": (_names("model/a", "model/A"), "a name is there twice"),
    "two": (_names("model/a", "other/a"), "expected one top folder, got 2"),
    "file and folder": (_names("model/a", "model/a/b"), "can't be unpacked"),
    "link": (_link, "is a link or a device"),
    "bomb": (_bomb, "in an archive of"),
    "many": (_names(*(f"model/{number}" for number in range(10_001))), "10001 files of"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_are_refused(tmp_path: Path, kind: str) -> None:
    write, match = HOSTILE[kind]
    folder = tmp_path / "in" / "folder"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / NAME, "w", zipfile.ZIP_DEFLATED) as out:
        write(out)
    with pytest.raises(DataError, match=match) as caught:
        unpack(tmp_path / NAME, folder)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", NAME]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["folder"]


@pytest.mark.parametrize("damage", [b"", b"no zip at all", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_is_refused(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / NAME).write_bytes(damage)
    with pytest.raises(DataError):
        unpack(tmp_path / NAME, tmp_path / "folder")


def test_a_byte_changed_inside_an_archive_is_noticed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / NAME, "w") as out:
        out.writestr("model/a", "weights" * 1000)
    archive = (tmp_path / NAME).read_bytes()
    middle = len(archive) // 2
    (tmp_path / NAME).write_bytes(archive[:middle] + bytes([archive[middle] ^ 1]) + archive[middle + 1 :])
    with pytest.raises(DataError, match="can't be unpacked"):
        unpack(tmp_path / NAME, tmp_path / "folder")


def test_what_is_unpacked_is_what_was_packed_without_its_top_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / NAME, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("model/", "")
        out.writestr("model/a", "one")
        out.writestr("model/sub/b", "two")
    unpack(tmp_path / NAME, tmp_path / "folder")
    found = {
        path.relative_to(tmp_path / "folder").as_posix(): path.read_text() for path in (tmp_path / "folder").rglob("?")
    }
    assert found == {"a": "one", "sub/b": "two"}
