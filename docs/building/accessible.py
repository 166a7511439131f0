"""What the theme leaves to be said to screen readers and keyboards, written into the finished pages.

Two side bars are told apart by a name; whatever scrolls sideways on a phone can be reached by the keyboard; every page,
that of the search too, has a heading. A test asks axe-core.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

#: What stands in a page, and what takes its place.
_SAID = {
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Site">',
    '<aside class="toc-drawer">': '<aside class="toc-drawer" aria-label="Contents of this page">',
    '<aside class="toc-drawer no-toc">': '<aside class="toc-drawer no-toc" aria-label="Contents of this page">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
    "<pre>": '<pre tabindex="0">',
    '<div id="search-results"></div>': '<h1>Search</h1>\n<div id="search-results"></div>',
}


def _say(app: Sphinx, error: Exception | None) -> None:
    if error is not None:
        return
    for page in Path(app.outdir).rglob("*.html"):
        before = after = page.read_text(encoding="utf-8")
        for found, said in _SAID.items():
            after = after if said in after else after.replace(found, said)
        if after != before:
            page.write_text(after, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Write when the pages are there."""
    app.connect("build-finished", _say)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
