"""A bundle is whole: every file is listed, and no byte changes unseen."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pytest

from fair_hep import bundle
from fair_hep.bundle.errors import BundleError, MissingStepError
from fair_hep.bundle.folder import REQUIRED
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project

Bundled = tuple[Project, Config]


@pytest.fixture
def folder(bundled: Bundled, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundled[0].bundle, tmp_path / "bundle"))


def test_every_required_file_is_there_and_listed(folder: Path) -> None:
    listed = [line.split("  ")[1] for line in (folder / bundle.SUMS).read_text().splitlines()]
    assert set(REQUIRED) <= set(listed)
    assert bundle.check_files(folder) == len(listed)


def test_the_sums_are_those_of_sha256sum(folder: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", bundle.SUMS], cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == 0


def test_one_flipped_bit_in_any_file_is_seen(folder: Path) -> None:
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    random = np.random.default_rng(0)
    for name in names:
        whole = (folder / name).read_bytes()
        size = len(whole)
        for place in {0, size - 1, *random.integers(0, size, 8).tolist()}:
            damaged = bytearray(whole)
            damaged[place] ^= 1 << int(random.integers(8))
            (folder / name).write_bytes(damaged)
            with pytest.raises(BundleError):
                bundle.check_files(folder)
        (folder / name).write_bytes(whole)
    bundle.check_files(folder)


def test_one_flipped_bit_anywhere_in_the_list_is_seen(folder: Path) -> None:
    whole = (folder / bundle.SUMS).read_bytes()
    random = np.random.default_rng(1)
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(8))
        (folder / bundle.SUMS).write_bytes(damaged)
        with pytest.raises(BundleError):
            bundle.check_files(folder)


def _drop(folder: Path) -> None:
    (folder / "README.md").unlink()


def _add(folder: Path) -> None:
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "figures" / "extra.png").write_bytes(b"")


def _link(folder: Path) -> None:
    (folder / "README.md").rename(folder.parent / "README.md")
    (folder / "README.md").symlink_to(folder.parent / "README.md")


def _shuffle(folder: Path) -> None:
    path = folder / bundle.SUMS
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))


def _twice(folder: Path) -> None:
    path = folder / bundle.SUMS
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([first, first, *rest]))


def _empty(folder: Path) -> None:
    (folder / bundle.SUMS).write_text("")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_drop, "README.md missing"),
        (_add, "extra.png not listed"),
        (_link, "symbolic link"),
        (_shuffle, "in order"),
        (_twice, "in order"),
        (_empty, "expected lines"),
    ],
)
def test_other_damage_is_named(folder: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(folder)
    with pytest.raises(BundleError, match=words) as caught:
        bundle.check_files(folder)
    assert "\n" not in str(caught.value)


def test_no_bundle_says_which_command_makes_one(tmp_path: Path) -> None:
    for read in (bundle.check_files, bundle.read_signature, bundle.read_examples):
        with pytest.raises(MissingStepError, match="export"):
            read(tmp_path)


def test_a_bundle_without_its_files_gets_no_sums(folder: Path) -> None:
    (folder / "LICENSE").unlink()
    with pytest.raises(BundleError, match="LICENSE"):
        bundle.write_sums(folder)


def test_json_files_fulfil_the_schema_that_lies_beside_them(folder: Path) -> None:
    schema = json.loads((folder / "schema.json").read_text())
    assert schema == bundle.schema()
    for name, part in schema["properties"].items():
        # cffconvert holds jsonschema back at 3.2; what pydantic writes means the same in draft 7.
        jsonschema.Draft7Validator.check_schema(part)
        jsonschema.Draft7Validator(part).validate(json.loads((folder / name).read_text()))
    assert all((folder / name).is_file() for name in schema["required"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bundle_format": 2}, "bundle_format is 2, expected 1"),
        ({"inputs": []}, "inputs"),
        ({"model": None}, "model"),
    ],
)
def test_a_wrong_signature_is_one_line(folder: Path, change: dict[str, object], words: str) -> None:
    path = folder / bundle.SIGNATURE
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BundleError, match=words) as caught:
        bundle.read_signature(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_signature_that_is_no_json_is_one_line(folder: Path, content: bytes) -> None:
    (folder / bundle.SIGNATURE).write_bytes(content)
    with pytest.raises(BundleError, match=bundle.SIGNATURE):
        bundle.read_signature(folder)


def test_arrays_come_back(tmp_path: Path) -> None:
    arrays: dict[str, np.ndarray] = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros((0, 4))}
    bundle.write_arrays(tmp_path / "x.npz", arrays)
    back = bundle.read_arrays(tmp_path / "x.npz")
    assert set(back) == {"a", "b"}
    assert all(np.array_equal(back[name], arrays[name]) for name in arrays)


def test_pickles_and_rubbish_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "pickle.npz", a=np.array([{"code": 1}], dtype=object))
    (tmp_path / "rubbish.npz").write_bytes(b"PK\x03\x04 no zip")
    (tmp_path / "empty.npz").write_bytes(b"")
    for name in ("pickle.npz", "rubbish.npz", "empty.npz", "absent.npz"):
        with pytest.raises(BundleError, match=name):
            bundle.read_arrays(tmp_path / name)
