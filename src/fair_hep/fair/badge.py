"""A badge: how many of the principles that apply are passed, as a small picture without foreign fonts or links."""

from __future__ import annotations

from pathlib import Path

from ..bundle.files import write_text

__all__ = ["write_badge"]

_HEIGHT, _CHARACTER, _MARGIN = 20, 7, 10
_LABEL = "FAIR"
_GOOD, _OPEN, _BAD = "#2e7d32", "#1565c0", "#b3261e"


def write_badge(path: Path, *, passed: int, failed: int, total: int) -> None:
    """Write the badge: red if a principle failed, green if all are passed, blue if some can't be known yet."""
    color = _BAD if failed else (_GOOD if passed == total else _OPEN)
    text = f"{passed} of {total}" + (f", {failed} failed" if failed else "")
    left, right = (2 * _MARGIN + _CHARACTER * len(words) for words in (_LABEL, text))
    title = f"{_LABEL}: {passed} of {total} principles passed" + (f", {failed} failed" if failed else "")
    style = 'font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" fill="#fff" text-anchor="middle"'
    write_text(
        path,
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" role="img" '
        f'aria-label="{title}">\n  <title>{title}</title>\n'
        f'  <rect width="{left + right}" height="{_HEIGHT}" rx="3" fill="#444"/>\n'
        f'  <path d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v{_HEIGHT - 6}a3 3 0 0 1-3 3h-{right - 3}z" fill="{color}"/>\n'
        f'  <g {style}>\n    <text x="{left / 2}" y="14">{_LABEL}</text>\n'
        f'    <text x="{left + right / 2}" y="14">{text}</text>\n  </g>\n</svg>\n',
    )
