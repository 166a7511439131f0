"""Bring a bundle to an archive: prepare it, upload it as a draft, and publish the draft as a step of its own."""

from __future__ import annotations

from .verb import run

__all__ = ["run"]
