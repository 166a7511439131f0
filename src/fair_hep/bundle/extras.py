"""Libraries that only some uses of a bundle need, and the line that names what is missing and how it comes."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from importlib import metadata

from .errors import DataError

__all__ = ["need", "source"]


def need(what: str, libraries: Sequence[str], extra: str = "train") -> None:
    """Make sure that libraries are installed, before anything takes its time.

    Raises
    ------
    DataError
        If one isn't; the line says which, and how they come.
    """
    absent = [name for name in libraries if importlib.util.find_spec(name) is None]
    if absent:
        raise DataError(f"{what} needs {', '.join(absent)}: {source(extra)}")


def source(extra: str) -> str:
    """Return how the libraries of an extra come, wherever this one was installed from.

    The wheel is named by its file, never by the name of the distribution: an index may hold another one of that name.
    """
    try:
        version = metadata.version("fair-hep")
    except metadata.PackageNotFoundError:
        version = "VERSION"
    wheel = f"software/fair_hep-{version}-py3-none-any.whl[{extra}]"
    return f"in a project `make install` brings them, in a bundle's folder `pip install '{wheel}'`"
