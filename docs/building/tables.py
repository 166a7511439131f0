"""Tables that the code itself fills: fields of what is validated, and data sets of a file of relevances."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

    from fair_hep.study.relevances import Column


class Fields(SphinxDirective):
    """``fields:: package.module.Class``: name, type, default and meaning of every field of a pydantic class."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        from fair_hep.project.config import fields

        module, _, name = self.arguments[0].rpartition(".")
        rows = fields(getattr(importlib.import_module(module), name))
        cells = [[code(row.key), text(row.type), code(row.default), text(row.meaning)] for row in rows]
        return [table(("field", "type", "default", "meaning"), cells)]


class Layout(SphinxDirective):
    """``layout:: MODEL``: every data set in the file of relevances that a model of the template writes."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        cells = [
            [
                code(name),
                code(row.counted_by) if row.counted_by else text("examples"),
                code(str(row.filler)),
                text(row.meaning),
            ]
            for name, row in layout(self.arguments[0]).items()
        ]
        return [table(("data set", "counted by", "filler", "meaning"), cells)]


def layout(name: str) -> Mapping[str, Column]:
    """Return the layout of a model's file of relevances, by the name of the model."""
    from fair_hep.particleflow import relevances
    from fair_hep.study import work
    from fair_hep.tagging.classifier import Classifier
    from support.recipes import model

    known: Any = model(name)
    if isinstance(known, Classifier):
        return {**work.layout(known), **known.explanation().layout}
    return relevances.layout(known.features.columns)


def code(words: str) -> nodes.Node:
    """Return words as code."""
    return nodes.literal(words, words)


def text(words: str) -> nodes.Node:
    """Return words as they are."""
    return nodes.inline(words, words)


def table(head: Sequence[str], rows: Sequence[Sequence[nodes.Node]]) -> nodes.table:
    """Return a table of cells."""
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", _row([text(word) for word in head]))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group, classes=["colwidths-auto"])


def _row(cells: Sequence[nodes.Node]) -> nodes.row:
    return nodes.row("", *_entries(cells))


def _entries(cells: Sequence[nodes.Node]) -> Iterator[nodes.entry]:
    for cell in cells:
        yield nodes.entry("", nodes.paragraph("", "", cell))


def setup(app: Sphinx) -> dict[str, Any]:
    """Offer both directives to Sphinx."""
    app.add_directive("fields", Fields)
    app.add_directive("layout", Layout)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
