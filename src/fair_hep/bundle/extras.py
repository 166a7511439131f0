"""Libraries that only some uses of a bundle need, and the line that names what is missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from .errors import DataError

__all__ = ["need"]


def need(what: str, libraries: Sequence[str], extra: str = "train") -> None:
    """Make sure that libraries are installed, before anything takes its time.

    Raises
    ------
    DataError
        If one isn't; the line says which, and by which extra of this library they come.
    """
    absent = [name for name in libraries if importlib.util.find_spec(name) is None]
    if absent:
        raise DataError(f"{what} needs {', '.join(absent)}: install fair-hep with its extra [{extra}]")
