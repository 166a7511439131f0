"""Formulas as MathML, which browsers and screen readers know by themselves: no script, no font, no picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx

log = logging.getLogger(__name__)


def _written(node: nodes.Element, *, block: bool) -> str:
    try:
        written: str = tex2mathml(node.astext(), as_block=block)
    except MathError as error:
        log.warning("formula that docutils doesn't read: %s: %s", node.astext(), error, location=node)
        return f"<code>{node.astext()}</code>"
    return written


def _inline(writer: Any, node: nodes.Element) -> None:
    writer.body.append(_written(node, block=False))
    raise nodes.SkipNode


def _display(writer: Any, node: nodes.Element) -> None:
    # Wider than a phone: it scrolls by itself, and by the keyboard too.
    writer.body.append(f'<div class="math" tabindex="0">{_written(node, block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Offer the renderer to Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
