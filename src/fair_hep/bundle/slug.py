"""The name under which a bundle is served: the slug of the project that it came from."""

from __future__ import annotations

import re
from pathlib import Path

from .errors import BundleError
from .strict import load_yaml

__all__ = ["EXPLAINED_SUFFIX", "slug_of"]

#: What stands behind the name of the graph that explains, wherever both graphs are models of their own.
EXPLAINED_SUFFIX = "_explained"
_SLUG = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")


def slug_of(folder: Path) -> str:
    """Return the slug in a bundle's ``project.yaml``: safe as part of an address and as the name of a folder.

    Parameters
    ----------
    folder
        Folder of the bundle.

    Raises
    ------
    BundleError
        If it can't be either.
    """
    found = load_yaml(folder / "project.yaml").get("slug")
    if not isinstance(found, str) or _SLUG.fullmatch(found) is None:
        raise BundleError(
            f"{folder.name}/project.yaml: slug is {str(found)[:100]!r}, expected letters, digits, _ and -, "
            "beginning with a letter: fetch or export the bundle again"
        )
    return found
