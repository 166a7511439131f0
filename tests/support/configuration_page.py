"""The page of the documents that lists every key: ``PYTHONPATH=src:tests python -m support.configuration_page``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fair_hep.models.options import SECTIONS
from fair_hep.models.recipe import load_recipe
from fair_hep.project.config import Key, keys
from support.recipes import ROOT, SLUGS

__all__ = ["PAGE", "page"]

PAGE = ROOT / "docs" / "reference" / "configuration.md"
_HEAD = """# Every key of a configuration

A configuration is one YAML file in `configs/`, and overrides behind a command: `train.epochs=3`. The command `config`
says what holds, `config --keys` prints this list in a project, with the keys of its own model. A key that isn't there
is refused, with the nearest that is.
"""


def page() -> str:
    """Return the page: keys that every model has, then those of each model of the template."""
    models = {name: list(keys(load_recipe(slug))) for name, slug in SLUGS.items()}
    common = [row for row in next(iter(models.values())) if not _own(row)]
    parts = [_HEAD, *_table("Of every model", common)]
    for name, rows in models.items():
        parts += _table(f"Of `{name}`", [row for row in rows if _own(row)])
    return "\n".join(parts)


def _own(row: Key) -> bool:
    return any(f"{row.key}.".startswith(f"{section}.") for section in SECTIONS)


def _table(title: str, rows: Sequence[Key]) -> Iterator[str]:
    yield f"## {title}\n\n| key | type | default | meaning |\n| --- | --- | --- | --- |"
    for row in rows:
        cells = (f"`{row.key}`", row.type, f"`{row.default}`", row.meaning)
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
    yield ""


if __name__ == "__main__":
    Path(PAGE).write_text(page(), encoding="utf-8")
