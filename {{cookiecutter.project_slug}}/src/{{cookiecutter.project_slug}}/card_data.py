"""What the card says of data: where they come from, how many, and how to know them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .document import Block, Items, Paragraph, Table
from .files import read_json
from .project import Project

__all__ = ["evaluation_data", "source_of", "training_data"]

_SOURCES = {
    "sample": "from the small sample that ships with the project",
    "simulate": "made by the project's own generator",
    "doi": "from the published record",
    "folder": "from files that the user brought along",
}


def source_of(source: str) -> str:
    """Return where data come from, in words."""
    return _SOURCES.get(source, source)


def evaluation_data(folder: Path, project: Project, metrics: Mapping[str, Any]) -> tuple[Block, ...]:
    """Return which test set the figures are of, and why."""
    test = metrics["test_set"]
    return (
        Paragraph(
            f"{test['examples']} examples of the test split, {source_of(metrics['source'])}; training never saw "
            "them, and nothing was chosen by looking at them."
        ),
        *_dataset(project, metrics["source"]),
        _checksums("Files of the test set", test["files"]),
        *_counts(folder, "test"),
    )


def training_data(folder: Path, project: Project) -> tuple[Block, ...]:
    """Return what the network learned from."""
    made = read_json(folder / "provenance.json")
    source = made["configuration"]["data"]["source"]
    known: list[Block] = []
    for split in ("train", "val"):
        path = folder / "provenance" / f"data-{split}.json"
        if path.is_file():
            files = {Path(name).name: checksum for name, checksum in read_json(path)["inputs"].items()}
            known.append(_checksums(f"Files of the split {split}", files))
            known += _counts(folder, split)
    return (Paragraph(f"Training and validation data come {source_of(source)}."), *_dataset(project, source), *known)


def _dataset(project: Project, source: str) -> Iterator[Block]:
    if source == "doi" and project.dataset.doi:
        licence = f", licence {project.licenses.data}" if project.licenses.data else ""
        yield Paragraph(f"Data set: [doi:{project.dataset.doi}](https://doi.org/{project.dataset.doi}){licence}.")


def _checksums(title: str, files: Mapping[str, str]) -> Table:
    return Table(title, ("file", "SHA-256"), tuple((name, f"`{checksum}`") for name, checksum in sorted(files.items())))


def _counts(folder: Path, split: str) -> Iterator[Block]:
    path = folder / "provenance" / f"data-{split}.json"
    counts = read_json(path).get("counts", {}) if path.is_file() else {}
    plain = {name: value for name, value in counts.items() if isinstance(value, int | str)}
    if plain:
        yield Items((f"counted in {split}: " + ", ".join(f"{n.replace('_', ' ')} {v}" for n, v in plain.items()),))
