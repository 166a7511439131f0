"""Is the project FAIR in fact? Principles as a table, checks that leave evidence, and the validators of others."""

from __future__ import annotations

from .verb import run

__all__ = ["run"]
