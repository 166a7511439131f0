"""A library that isn't installed, because the command was installed without the extra that brings it."""

from __future__ import annotations

import re
from importlib import metadata

from ..bundle.extras import source

__all__ = ["line"]

#: Distributions whose module has another name than theirs.
_MODULES = {"scikit_learn": "sklearn", "pythia8mc": "pythia8", "roc_validator": "rocrate_validator"}
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+).*extra == ['\"]([a-z]+)['\"]")


def line(error: ModuleNotFoundError) -> str | None:
    """Return what to do about a module that wasn't found; None if no extra of this library brings it: that is a bug."""
    module = (error.name or "").partition(".")[0]
    extra = _extras().get(module)
    if extra is None:
        return None
    return f"{module} isn't installed: {source(extra)}"


def _extras() -> dict[str, str]:
    """Return the extra that brings each module, as the installed library says; the first that does."""
    try:
        requirements = metadata.requires("fair-hep") or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, str] = {}
    for match in filter(None, map(_REQUIREMENT.match, requirements)):
        name = re.sub(r"[-.]", "_", match[1]).lower()
        found.setdefault(_MODULES.get(name, name), match[2])
    return found
