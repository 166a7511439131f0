"""Bundles that an attacker made, whose checksums are right: used, or refused in one line of ours."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fair_hep.bundle.cite import cite
from fair_hep.bundle.errors import BundleError
from fair_hep.bundle.folder import SUMS, check_files, write_sums
from fair_hep.bundle.runtime import LoadedModel
from fair_hep.bundle.summary import lines, summary
from support.fuzzing import clean, damaged, fuzz, mutated
from support.kept import kept

pytestmark = [pytest.mark.fuzz, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the smallest published bundle: a third-party graph of some nodes."""
    return kept("third_party", tmp_path_factory.mktemp("published"))


def used(folder: Path) -> None:
    """Do with a bundle what a stranger does."""
    with clean():
        lines(summary(folder))
    with clean():
        cite(folder)
    with clean():
        LoadedModel(folder, threads=1).verify()


@pytest.mark.parametrize("name", ["signature.json", "examples/examples.json", "provenance.json"])
def test_strange_descriptions(folder: Path, name: str) -> None:
    path = folder / name
    content = path.read_bytes()

    def check(values: Any) -> None:
        path.write_text(json.dumps(values))
        with clean():
            (folder / SUMS).unlink(missing_ok=True)
            write_sums(folder)
        used(folder)

    try:
        fuzz(f"bundle-{path.stem}", check, mutated(json.loads(content)), 50)
    finally:
        path.write_bytes(content)
        write_sums(folder)


@pytest.mark.parametrize(
    "name", ["model.onnx", "examples/inputs.npz", "examples/outputs.npz", "CITATION.cff", "project.yaml"]
)
def test_damaged_files(folder: Path, name: str) -> None:
    path = folder / name
    content = path.read_bytes()

    def check(data: bytes) -> None:
        path.write_bytes(data)
        (folder / SUMS).unlink(missing_ok=True)
        write_sums(folder)
        used(folder)

    try:
        fuzz(f"bundle-{path.name}", check, damaged(content), 40)
    finally:
        path.write_bytes(content)
        write_sums(folder)


def test_no_change_of_the_sums_goes_unseen(folder: Path) -> None:
    path = folder / SUMS
    content = path.read_bytes()

    def check(data: bytes) -> None:
        path.write_bytes(data)
        if data != content:
            with pytest.raises(BundleError), clean(OSError):
                check_files(folder)

    try:
        fuzz("bundle-sums", check, damaged(content, content.replace(b"\n", b"\r\n")), 120)
    finally:
        path.write_bytes(content)


def test_a_pipe_and_the_like_are_refused_at_once(folder: Path) -> None:
    path = folder / "examples" / "inputs.npz"
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    try:
        with pytest.raises(BundleError, match=r"inputs\.npz: got a pipe, a socket or a device, expected a file"):
            LoadedModel(folder, threads=1).verify()
    finally:
        path.unlink()
        path.write_bytes(content)
