"""What the card says of data: where they come from, how many, and how to know them again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..bundle.files import read_json
from ..pages.document import Block, Items, Paragraph, Table
from .sample import sample_sentence, source_of

if TYPE_CHECKING:
    from ..provenance.about import About
    from .facts import Facts

__all__ = ["evaluation_data", "training_data"]


def evaluation_data(facts: Facts) -> tuple[Block, ...]:
    """Return which test set the figures are of."""
    test = facts.metrics["test_set"]
    unseen = "Whether the training elsewhere saw them isn't known" if facts.elsewhere else "Training never saw them"
    return (
        Paragraph(f"{sample_sentence(facts)} {unseen}, and nothing was chosen here by looking at them."),
        _dataset(facts),
        Table("Files of the test set", ("file", "SHA-256"), tuple((n, f"`{c}`") for n, c in test["files"].items())),
        *_counts(facts, ("test",)),
    )


def training_data(facts: Facts) -> tuple[Block, ...]:
    """Return what the network learned from."""
    if facts.elsewhere is not None:
        return _elsewhere(facts.elsewhere)
    rows = tuple(
        (file.name.rpartition("/")[2], split.name, f"`{file.sha256}`")
        for split in facts.data.splits
        for file in split.files
        if split.name != "test"
    )
    return (
        Paragraph(f"Training and validation data come {source_of(facts.data.source)}."),
        _dataset(facts),
        Table("Files of the training and validation splits", ("file", "split", "SHA-256"), rows),
        *_counts(facts, ("train", "val")),
    )


def _elsewhere(about: About) -> tuple[Block, ...]:
    """Return what is known of a training elsewhere; what isn't named isn't known."""
    known = about.in_words()
    lead = "This project didn't train the network: its weights were trained elsewhere, and imported."
    if not known:
        return (Paragraph(f"{lead} Nothing is known of the training: not by whom, on what, or how long."),)
    return (
        Paragraph(f"{lead} What is known of the training was told by whoever imported them, and wasn't checked:"),
        Items(tuple(f"{name}: {value}" for name, value in known.items())),
    )


def _dataset(facts: Facts) -> Paragraph:
    data = facts.data
    doi = f", [doi:{data.doi}](https://doi.org/{data.doi})" if data.doi else ""
    licence = f", licence {data.license}" if data.license else ""
    return Paragraph(f"Data set: {data.title}{doi}{licence}.")


def _counts(facts: Facts, splits: tuple[str, ...]) -> Iterator[Block]:
    lines = []
    for split in splits:
        path = facts.folder / "provenance" / f"data-{split}.json"
        counts = read_json(path).get("counts", {}) if path.is_file() else {}
        plain = [f"{name.replace('_', ' ')} {value}" for name, value in counts.items() if isinstance(value, int | str)]
        if plain:
            lines.append(f"counted in {split}: {', '.join(plain)}")
    if lines:
        yield Items(tuple(lines))
