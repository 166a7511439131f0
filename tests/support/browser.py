"""A real browser (Chromium) without a network: what it makes of a page, what it says, and what it looks like."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.needs import require

__all__ = ["Opened", "audit", "command", "opened", "screenshot"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


@dataclass(frozen=True)
class Opened:
    """A page after its scripts ran: its document, and what the console said."""

    document: str
    console: list[str]
    requested: list[str]


def command(folder: Path, *, budget: int = 20_000) -> list[str]:
    """Return the command of the browser without a network, and for how many milliseconds of its own time it waits."""
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    require(browser, "there is no Chromium (a CHROMIUM variable may name one)")
    assert browser is not None
    return [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder / 'profile'}",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", f"--virtual-time-budget={budget}",
    ]  # fmt: skip


def _address(page: Path | str) -> str:
    """Return the address of a page: of a file, or of a server of this machine."""
    return page if isinstance(page, str) else page.as_uri()


def opened(
    page: Path | str, folder: Path, fragment: str = "", *, width: int = 1280, options: Sequence[str] = ()
) -> Opened:
    """Open a page and return what became of it, with everything that it asked for beyond itself."""
    log = folder / "net.json"
    called = [
        *command(folder), "--enable-logging=stderr", f"--log-net-log={log}", f"--window-size={width},900",
        *options, "--dump-dom", f"{_address(page)}{fragment}",
    ]  # fmt: skip
    done = subprocess.run(called, capture_output=True, text=True, timeout=180, check=True)
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    # What the browser asks for by itself has no origin.
    asked = re.compile(r'"initiator":"(?!not an origin).*"url":"(https?://[^"]*)"')
    requested = asked.findall(log.read_text(encoding="utf-8", errors="replace"))
    return Opened(done.stdout, console, requested)


def screenshot(page: Path | str, folder: Path, *, width: int = 1280, height: int = 1600) -> Path:
    """Take a picture of the top of a page."""
    path = folder / f"{page.stem if isinstance(page, Path) else 'page'}-{width}.png"
    called = [
        *command(folder), f"--window-size={width},{height}", f"--screenshot={path}", "--hide-scrollbars",
        _address(page),
    ]  # fmt: skip
    subprocess.run(called, capture_output=True, timeout=180, check=True)
    return path


def audit(page: Path, folder: Path) -> list[str]:
    """Return what axe-core (MPL-2.0, Deque Systems) finds wrong with the accessibility of a page, one line each.

    The program comes in the package axe-playwright-python, of which nothing else is used.
    """
    import importlib.util
    import json

    found = importlib.util.find_spec("axe_playwright_python")
    require(found, "axe-core isn't installed (axe-playwright-python: `make peers`)")
    assert found is not None
    assert found.submodule_search_locations
    axe = (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")
    # Runs when the page has drawn itself; its own policy would forbid a script that isn't its own.
    run = """
    const ready = () => document.querySelectorAll("[id^=part-]:not([data-drawn])").length === 0;
    const wait = async () => { while (!ready()) await new Promise(done => setTimeout(done, 50)); };
    wait().then(() => axe.run(document, {resultTypes: ["violations", "passes"]})).then(found => {
      const result = document.createElement("script");
      result.type = "application/json"; result.id = "axe";
      result.textContent = JSON.stringify({passes: found.passes.length, violations: found.violations.flatMap(rule =>
        rule.nodes.map(node => rule.id + ": " + node.failureSummary + " " + node.html.slice(0, 200)))});
      document.body.append(result);
    });
    """
    text = _POLICY.sub("", page.read_text(encoding="utf-8"))
    audited = folder / "audited.html"
    script = axe.replace("</script", "<\\/script")
    audited.write_text(text.replace("</body>", f"<script>{script}</script><script>{run}</script></body>"), "utf-8")
    result = re.search(
        r'<script type="application/json" id="axe">(.*?)</script>', opened(audited, folder).document, re.S
    )
    assert result is not None, "the audit didn't end"
    values = json.loads(result[1])
    assert values["passes"] > 10
    violations: list[str] = values["violations"]
    return violations
