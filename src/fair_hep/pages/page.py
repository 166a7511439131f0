"""HTML pages that are whole in one file: nothing is asked of any server, and a content security policy says so.

The policy allows the page's own scripts by their hashes and forbids every connection; what a text from elsewhere
might smuggle in isn't run.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .document import Block, Code, Items, Paragraph, Picture, Section, Table

__all__ = [
    "Shown", "facts_html", "inline", "json_block", "page", "section_html", "slug", "table_html",
]  # fmt: skip

#: A picture that is so many times wider than high gets a row of its own.
WIDE = 1.7
_MARKS = re.compile(r"`([^`]+)`|\[([^\]]+)\]\((https?://(?:[^()\s]|\([^()\s]*\))+)\)|&lt;(https?://[^\s&]+)&gt;")


@dataclass(frozen=True)
class Shown:
    """A picture in a page: its address, such as a data URI, and its size in pixels (0: unknown)."""

    address: str
    width: int = 0
    height: int = 0


def page(
    title: str,
    *,
    description: str,
    header: str,
    contents: Sequence[str],
    body: str,
    footer: str,
    scripts: Sequence[str] = (),
    trusted: Sequence[str] = (),
    head: str = "",
) -> str:
    """Return a whole page.

    Parameters
    ----------
    title, description
        Text for the head.
    header, body, footer
        HTML of the three parts.
    contents
        Titles of the sections, for the navigation.
    scripts
        JavaScript that the page runs, in order.
    trusted
        JavaScript that these scripts put into the page themselves; the policy lets it run too.
    head
        More HTML for the head, such as structured data.
    """
    # "</script>" inside a script would end it.
    scripts = [script.replace("</script", "<\\/script") for script in scripts]
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in (*scripts, *trusted)) or "'none'"
    policy = (
        f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {hashes}; "
        "base-uri 'none'; form-action 'none'"
    )
    links = "".join(f'<li><a href="#{slug(name)}">{html.escape(name)}</a></li>' for name in contents)
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return "\n".join([
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html.escape(title)}</title>",
        f'<meta name="description" content="{html.escape(description)}">',
        head,
        f"<style>\n{style}</style>",
        "</head>",
        "<body>",
        '<a class="skip" href="#content">Skip to the content</a>',
        f'<header><div class="frame">\n{header}\n</div></header>',
        f'<nav aria-label="Contents"><div class="frame"><ul>{links}</ul></div></nav>' if links else "",
        f'<main id="content"><div class="frame">\n{body}\n</div></main>',
        f'<footer><div class="frame">{footer}</div></footer>',
        *(f"<script>{script}</script>" for script in scripts),
        "</body>",
        "</html>",
        "",
    ])  # fmt: skip


def section_html(sections: Sequence[Section], picture: Callable[[Picture], Shown], level: int = 2) -> str:
    """Return sections as HTML.

    Parameters
    ----------
    sections
        What to write.
    picture
        Finds the picture.
    level
        Level of the headings.
    """
    parts: list[str] = []
    for section in sections:
        name = f' id="{slug(section.title)}"' if level == 2 else ""
        parts.append(f"<section><h{level}{name}>{html.escape(section.title)}</h{level}>")
        parts += _blocks(section.blocks, picture)
        if section.sections:
            parts.append(section_html(section.sections, picture, level + 1))
        parts.append("</section>")
    return "\n".join(parts)


def _blocks(blocks: Sequence[Block], picture: Callable[[Picture], Shown]) -> Iterator[str]:
    """Give HTML; pictures in a row share a grid."""
    row: list[str] = []
    for block in blocks:
        if isinstance(block, Picture):
            row.append(_figure(block, picture(block)))
            continue
        if row:
            yield f'<div class="figures">{"".join(row)}</div>'
            row = []
        yield _block(block)
    if row:
        yield f'<div class="figures">{"".join(row)}</div>'


def _block(block: Paragraph | Items | Code | Table) -> str:
    match block:
        case Paragraph(text):
            return f"<p>{inline(text)}</p>"
        case Items(lines):
            return f"<ul>{''.join(f'<li>{inline(line)}</li>' for line in lines)}</ul>"
        case Code(text, _):
            return f'<pre tabindex="0"><code>{html.escape(text.rstrip())}</code></pre>'
        case Table():
            return table_html(block)


def table_html(table: Table) -> str:
    """Return a table whose heads are marked as such, in a region that scrolls where the screen is narrow."""
    head = "".join(f'<th scope="col">{inline(cell)}</th>' for cell in table.head)
    rows = "".join(
        f'<tr><th scope="row">{inline(row[0])}</th>{"".join(f"<td>{inline(cell)}</td>" for cell in row[1:])}</tr>'
        for row in table.rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{html.escape(table.title)}"><table>'
        f"<caption>{inline(table.title)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _figure(picture: Picture, shown: Shown) -> str:
    text = html.escape(picture.title)
    wide = ' class="wide"' if shown.width > WIDE * shown.height else ""
    size = f' width="{shown.width}" height="{shown.height}"' if shown.width else ""
    image = f'<img src="{shown.address}" alt="{text}"{size}>'
    return f"<figure{wide}>{image}<figcaption>{text}</figcaption></figure>"


def inline(text: str) -> str:
    """Return text as HTML; of Markdown it knows `code`, links to the web, and nothing else; " +- " is an error.

    Examples
    --------
    >>> inline("<b> `a<b` [site](https://example.org)")
    '&lt;b&gt; <code>a&lt;b</code> <a href="https://example.org">site</a>'
    >>> inline("[doi](https://doi.org/10.1007/JHEP01(2019)121)")  # brackets in pairs belong to the address
    '<a href="https://doi.org/10.1007/JHEP01(2019)121">doi</a>'
    """

    def mark(found: re.Match[str]) -> str:
        if found[1] is not None:
            return f"<code>{found[1]}</code>"
        address = found[3] or found[4]
        return f'<a href="{address}">{found[2] or address}</a>'

    return _MARKS.sub(mark, html.escape(text.replace(" +- ", " ± ")))


def slug(title: str) -> str:
    """Return an identifier for a heading."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def json_block(values: Any, *, kind: str = "application/json", name: str = "") -> str:
    """Return values as a block of data in a page; no value can end the block."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    marked = f' id="{name}"' if name else ""
    return f'<script type="{kind}"{marked}>{text}</script>'


def facts_html(facts: Mapping[str, str | None]) -> str:
    """Return a short list of names and values; what isn't known is left out."""
    rows = (f"<div><dt>{html.escape(n)}</dt><dd>{inline(v)}</dd></div>" for n, v in facts.items() if v)
    return f'<dl class="facts">{"".join(rows)}</dl>'


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
