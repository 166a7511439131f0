"""How-tos for a project: each is followed to the letter in one that has a bundle and was explained."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from fair_hep.cli import bundles
from fair_hep.cli import project as commands
from fair_hep.provenance.configuration import Config
from fair_hep.provenance.project import Project
from support import small
from support.documents import DOCS, follow
from support.published import copy

Bundled = tuple[Project, Config]
HOW_TOS = DOCS / "how-tos"


@pytest.fixture
def reader(bundled: Bundled, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Give a project to somebody who reads: with random weights in its bundle, and a study of trained ones."""
    made, _ = copy(bundled, tmp_path / small.PACKAGE)
    shutil.copytree(project.run("quick", "explain"), made.run("quick", "explain"))
    for name, value in small.environment(made).items():
        monkeypatch.setenv(name, value)
    return made


def followed(page: str, reader: Project) -> list[list[str]]:
    """Follow a page in the project's folder; return the commands of ours that it has."""
    called: list[list[str]] = []

    def command(words: Sequence[str]) -> None:
        called.append([small.PACKAGE, *words])
        commands.main(list(words))

    def of_bundles(words: Sequence[str]) -> None:
        called.append(["fair-hep", *words])
        bundles.main(list(words))

    text = (HOW_TOS / page).read_text(encoding="utf-8")
    follow(text, reader.root, commands={small.PACKAGE: command, "fair-hep": of_bundles})
    return called


def test_files_of_ones_own(reader: Project) -> None:
    assert [words[1] for words in followed("own-data.md", reader)] == ["data", "train", "evaluate"]
    stored = [path.name for path in (reader.root / "data").rglob("store.json")]
    assert len(stored) >= 3
    assert (reader.run("mine", "evaluate") / "metrics.json").is_file()


def test_weights_of_others(reader: Project) -> None:
    assert [words[1] for words in followed("existing-weights.md", reader)] == ["import", "evaluate"]
    assert (reader.run("imported", "train") / "weights.safetensors").read_bytes() == (
        reader.bundle / "weights.safetensors"
    ).read_bytes()


def test_a_graph_without_its_source(reader: Project) -> None:
    followed("third-party-graphs.md", reader)
    assert len((reader.root / "scores.csv").read_text(encoding="utf-8").splitlines()) == 6
    assert "A colleague who left" in (reader.root / "theirs" / "README.md").read_text(encoding="utf-8")


def test_figures_of_ones_own(reader: Project) -> None:
    followed("own-figures.md", reader)
    assert (reader.root / "by-rank.png").stat().st_size > 10_000
    assert (reader.root / "favourite.pdf").read_bytes().startswith(b"%PDF")


def test_a_model_is_handed_over(reader: Project) -> None:
    called = followed("hand-over.md", reader)
    assert ["fair-hep", "verify", "."] in called
    (unpacked,) = [path for path in (reader.root / "dist").iterdir() if path.is_dir()]
    assert (unpacked / "model.onnx").is_file()
