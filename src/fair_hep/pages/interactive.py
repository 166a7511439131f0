"""Interactive parts of a page: their HTML, their data, their scripts, and the drawing library they share.

The library (plotly.js, MIT) comes from the Python package and goes into the page once, compressed: 2 instead of 5 MB.
"""

from __future__ import annotations

import base64
import gzip
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..bundle.errors import ProjectError
from .page import inline, json_block, page, slug

__all__ = ["Widget", "drawing_library", "widget_page", "widgets_html", "widgets_scripts"]


@dataclass(frozen=True)
class Widget:
    """An interactive part of the report.

    Parameters
    ----------
    title, text
        Heading, and what there is to see and to do; both are text.
    data
        JSON values.
    script
        JavaScript, an expression: a function of the element to fill, the data, and ``tools`` (see ``report.js``).
        Whatever a click does must be possible with the controls of a form too.
    logits
        Names of data that are lists of differences of logits. None: of what is shown nothing depends
        on the size of a logit. Empty: something does, and can't be divided.

    Examples
    --------
    >>> from fair_hep import Widget
    >>> script = "(place, data) => { place.textContent = `${data.cuts.length} cuts`; }"
    >>> part = Widget("Cuts", "How many there are.", {"cuts": [1.0, 3.0]}, script, logits=("cuts",))
    >>> part.divided(2.0).data["cuts"]
    [0.5, 1.5]
    """

    title: str
    text: str
    data: Mapping[str, Any]
    script: str
    logits: tuple[str, ...] | None = None

    def divided(self, temperature: float) -> Widget:
        """Return the part as it is behind a temperature, by which the published graphs divide all logits."""
        if self.logits is None or temperature == 1:
            return self
        if not self.logits:
            note = f" Scores and relevances are those of training: the graphs divide both by {temperature:.4g}."
            return replace(self, text=self.text + note)
        divided = {name: [float(f"{value / temperature:.5g}") for value in self.data[name]] for name in self.logits}
        note = f" Scores are as the graphs give them, divided by the temperature {temperature:.4g}."
        return replace(self, text=self.text + note, data={**self.data, **divided})


def drawing_library() -> str:
    """Return the JavaScript of plotly.

    Raises
    ------
    ProjectError
        If plotly isn't installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ProjectError("interactive pages need plotly, which isn't installed: pip install plotly") from error
    library: str = get_plotlyjs()
    return library


def widgets_html(parts: Sequence[Widget], library: str) -> str:
    """Return the places where parts will draw, with their data and the compressed library behind them."""
    if not parts:
        return ""
    # No time in the header of the compressed stream: the same library gives the same page.
    packed = base64.b64encode(gzip.compress(library.encode(), mtime=0)).decode("ascii")
    places = [
        f'<section class="part" aria-labelledby="{slug(part.title)}"><h3 id="{slug(part.title)}">'
        f'{html.escape(part.title)}</h3><p>{inline(part.text)}</p><div id="part-{number}"></div>'
        f"{json_block(part.data, name=f'data-{number}')}</section>"
        for number, part in enumerate(parts)
    ]
    hint = "<noscript><p>These parts are drawn by JavaScript, which is switched off here.</p></noscript>"
    return "\n".join([hint, *places, f'<script type="text/plain" id="library">{packed}</script>'])


def widgets_scripts(parts: Sequence[Widget]) -> list[str]:
    """Return the scripts that draw parts."""
    if not parts:
        return []
    shared = (Path(__file__).parent / "report.js").read_text(encoding="utf-8")
    return [shared, *(f"report.parts.push({part.script.rstrip()});" for part in parts), "report.start();"]


def widget_page(title: str, parts: Sequence[Widget]) -> str:
    """Return a page of its own for parts."""
    library = drawing_library()
    return page(
        title,
        description=parts[0].text,
        header=f"<h1>{html.escape(title)}</h1>",
        contents=(),
        body=f"<h2>Look into it</h2>{widgets_html(parts, library)}",
        footer="<p>This page is whole in one file and asks nothing of any server.</p>",
        scripts=widgets_scripts(parts),
        trusted=[library],
    )
