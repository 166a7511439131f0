"""The JSON schemas of the format, written by the classes that validate it, beside the pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

#: Folder of the site that holds them.
FOLDER = "schema"


def _write(app: Sphinx, error: Exception | None) -> None:
    from fair_hep.bundle import schema

    if error is not None:
        return
    folder = Path(app.outdir, FOLDER)
    folder.mkdir(exist_ok=True)
    (folder / "bundle.json").write_text(json.dumps(schema(), indent=2, sort_keys=True) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Write when the pages are there."""
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
