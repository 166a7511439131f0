"""Which published data a model learned from, as its bundle tells."""

from __future__ import annotations

from pathlib import Path

from ..bundle.files import read_json
from ..provenance.about import trained_elsewhere

__all__ = ["learned_from"]


def learned_from(folder: Path) -> str | None:
    """Return the DOI of the published data that a bundle's model was trained on; None if it were others, or unknown."""
    if about := trained_elsewhere(folder):
        return about.dataset_doi
    path = folder / "provenance" / "data-train.json"
    if not path.is_file():
        return None
    doi: str | None = read_json(path).get("dataset", {}).get("doi")
    return doi
