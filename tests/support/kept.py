"""Bundles of earlier versions, which stay readable."""

from __future__ import annotations

import tarfile
from pathlib import Path

__all__ = ["ARCHIVES", "kept", "unpacked"]

#: One archive for each.
ARCHIVES = sorted((Path(__file__).parents[1] / "fair_hep" / "bundles").rglob("*.tar.xz"))


def unpacked(archive: Path, folder: Path) -> Path:
    """Unpack one of `ARCHIVES` into a folder; return the folder of the bundle."""
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder / "bundle"


def kept(model: str, folder: Path) -> Path:
    """Unpack the oldest bundle of a model, or of an origin (``third_party``, ``imported``); return its folder."""
    return unpacked(next(path for path in ARCHIVES if path.name.startswith(model)), folder)
