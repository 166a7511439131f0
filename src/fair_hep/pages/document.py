"""A document as plain values, so that one text becomes a Markdown card and an HTML page.

Text may hold two marks, those of Markdown: ``code`` between backticks, and ``[words](address)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = ["Block", "Code", "Items", "Paragraph", "Picture", "Section", "Table", "markdown"]


@dataclass(frozen=True)
class Paragraph:
    """Some sentences."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list without an order."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """Lines to type or to paste."""

    text: str
    language: str


@dataclass(frozen=True)
class Table:
    """A table whose first row and first column are heads.

    Parameters
    ----------
    title
        What the table shows, for its caption.
    head
        One text for each column, with units.
    rows
        Cells as text; each row is as long as the head.

    Examples
    --------
    >>> from fair_hep import Table
    >>> table = Table("Rejection", ("efficiency", "1 / background"), (("30 %", "1200 +- 90"),))
    >>> Table.of(table.as_dict()) == table
    True
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Table:
        """Return a table from the JSON values that `as_dict` gives."""
        return cls(values["title"], tuple(values["head"]), tuple(tuple(row) for row in values["rows"]))

    def as_dict(self) -> dict[str, Any]:
        """Return the table as JSON values."""
        return {"title": self.title, "head": list(self.head), "rows": [list(row) for row in self.rows]}


@dataclass(frozen=True)
class Picture:
    """A figure.

    Parameters
    ----------
    path
        Where it is, relative to the document.
    title
        What it shows; also what a reader hears who can't see it.
    """

    path: str
    title: str


Block: TypeAlias = Paragraph | Items | Code | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading with what stands below it; sections inside have headings of the next level."""

    title: str
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = field(default=())


def markdown(sections: Sequence[Section], level: int = 2) -> str:
    """Return sections as Markdown, headings from ``level`` on.

    Examples
    --------
    >>> print(markdown([Section("Limits", (Items(("none is known",)),))]))
    ## Limits
    <BLANKLINE>
    - none is known
    """
    parts: list[str] = []
    for section in sections:
        parts.append(f"{'#' * level} {section.title}")
        parts += [_block(block) for block in section.blocks]
        if section.sections:
            parts.append(markdown(section.sections, level + 1))
    return "\n\n".join(parts)


def _block(block: Block) -> str:
    match block:
        case Paragraph(text):
            return text
        case Items(lines):
            return "\n".join(f"- {line}" for line in lines)
        case Code(text, language):
            return f"```{language}\n{text.rstrip()}\n```"
        case Picture(path, title):
            return f"![{title}]({path})"
        case Table(title, head, rows):
            cells = [head, ("---",) * len(head), *rows]
            shown = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
            return "\n".join([f"*{title}*", "", *shown])
