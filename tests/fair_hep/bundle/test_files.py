"""Files and folders that are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fair_hep.bundle.files import new_file, new_folder, read_json, sha256, write_json


def test_a_failed_file_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "metrics.json"
    write_json(target, {"auc": 0.5})
    with pytest.raises(RuntimeError), new_file(target) as name:
        name.write_text("half")
        raise RuntimeError
    assert read_json(target) == {"auc": 0.5}
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_a_failed_folder_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    for text in ("old", "new"):
        with new_folder(target) as folder:
            (folder / f"{text}.txt").write_text(text)
    assert [path.name for path in target.iterdir()] == ["new.txt"]
    with pytest.raises(RuntimeError), new_folder(target) as folder:
        (folder / "half.txt").write_text("half")
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["new.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_json_never_holds_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"auc": float("nan")})
    assert not list(tmp_path.iterdir())


def test_checksum_of_the_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert sha256(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
