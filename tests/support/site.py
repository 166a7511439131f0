"""The site: how it is built, where its links lead, and what a browser as narrow as a phone makes of its pages."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from support.browser import command
from support.needs import require
from support.template import ROOT, run

__all__ = ["Page", "Seen", "broken", "build", "foreign", "look"]

#: Attributes that make a browser fetch something by itself.
_FETCHED = {"src", "srcset", "data", "poster"}
#: What a link in the head may be without being fetched.
_NAMED = {"canonical", "index", "search", "next", "prev", "author", "copyright"}
#: What a style sheet or a script fetches from elsewhere.
_FETCHES = re.compile(r"""(?:@import|url\(|fetch\(|import\()\s*["']?(?:https?:)?//""")


@dataclass
class Page(HTMLParser):
    """What a page refers to: places in itself, addresses that it links to, and addresses that it loads."""

    path: Path
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        self.loads += [given[name] for name in _FETCHED if name in given]
        if "href" in given:
            fetched = tag == "link" and not _NAMED & set(given.get("rel", "").split())
            (self.loads if fetched else self.links).append(given["href"])


def build(folder: Path) -> Path:
    """Build the site into a folder, as ``make docs`` does: a warning is an error."""
    options = ("--fail-on-warning", "--keep-going", "--nitpicky", "--quiet")
    run(sys.executable, "-m", "sphinx", *options, "-d", folder / "read", ROOT / "docs", folder / "site", cwd=ROOT)
    return folder / "site"


def broken(site: Path) -> Iterator[str]:
    """Give a line for every link within a site that leads nowhere, and for every other that isn't an address."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        for link in (*page.links, *page.loads):
            parts = urlsplit(link)
            where = f"{path.relative_to(site.resolve())}: {link}"
            if parts.scheme or parts.netloc:
                # A tutorial's own server answers without TLS.
                own = parts.scheme == "http" and parts.hostname == "127.0.0.1"
                if not own and (parts.scheme not in {"https", "data"} or (parts.netloc and "." not in parts.netloc)):
                    yield f"{where} is no address"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{where} leads to no file"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                yield f"{where} leads to no place in it"


def foreign(site: Path) -> Iterator[str]:
    """Give a line for everything that a page of a site would fetch from elsewhere."""
    for path in sorted(site.rglob("*.html")):
        for address in Page(path).loads:
            if urlsplit(address).netloc:
                yield f"{path.relative_to(site)}: {address}"
    for path in sorted((*site.rglob("*.css"), *site.rglob("*.js"))):
        if _FETCHES.search(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)}: fetches from elsewhere"


@dataclass(frozen=True)
class Seen:
    """What a browser made of a page: how wide its content is, and what axe-core finds wrong (where it was asked)."""

    page: str
    width: int
    passes: int
    violations: list[str]


def look(site: Path, pages: Sequence[str], audited: Sequence[str], folder: Path, *, width: int = 390) -> list[Seen]:
    """Open pages side by side in frames as wide as a phone, in one browser without a network.

    axe-core (MPL-2.0, Deque Systems) comes in the package axe-playwright-python, of which nothing else is used.
    """
    found = importlib.util.find_spec("axe_playwright_python")
    require(found, "axe-core isn't installed (axe-playwright-python: `make environment`)")
    assert found is not None
    assert found.submodule_search_locations
    axe = Path(found.submodule_search_locations[0]) / "axe.min.js"
    asked = [site.as_uri(), list(pages), list(audited), axe.as_uri(), width]
    frames = folder / "frames.html"
    frames.write_text(f"<!doctype html><script>({_LOOK})(...{json.dumps(asked)})</script>", encoding="utf-8")
    # A page that lies in a file may look into another one only if that is asked for.
    called = [*command(folder, budget=600_000), "--allow-file-access-from-files", "--dump-dom", frames.as_uri()]
    done = subprocess.run(called, capture_output=True, text=True, timeout=500, check=True)
    told = re.search(r'<script type="application/json" id="seen">(.*?)</script>', done.stdout, re.S)
    assert told is not None, f"the browser didn't end: {done.stderr[-2000:]}"
    return [Seen(**one) for one in json.loads(told[1])]


_LOOK = """async (site, pages, audited, axe, phone) => {
  const program = await (await fetch(axe)).text(), seen = [];
  for (const page of pages) {
    const frame = document.createElement("iframe");
    frame.style.cssText = `width: ${phone}px; height: 844px; border: 0`;
    await new Promise(loaded => { frame.onload = loaded; frame.src = `${site}/${page}`; document.body.append(frame); });
    const inside = frame.contentDocument, width = inside.documentElement.scrollWidth;
    const told = {page, width, passes: 0, violations: []};
    if (audited.includes(page)) {
      const script = inside.createElement("script");
      script.textContent = program; inside.head.append(script);
      const found = await frame.contentWindow.axe.run(inside, {resultTypes: ["violations"]});
      told.passes = found.passes.length;
      told.violations = found.violations.flatMap(rule =>
        rule.nodes.map(node => `${rule.id}: ${node.failureSummary} ${node.html.slice(0, 200)}`));
    }
    seen.push(told); frame.remove();
  }
  const result = document.createElement("script");
  result.type = "application/json"; result.id = "seen"; result.textContent = JSON.stringify(seen);
  document.body.append(result);
}"""
