"""The name of an image, as engines and clusters take it."""

from __future__ import annotations

import re

from ..bundle.errors import ConfigError
from ..provenance.project import Project

__all__ = ["host_of_image", "image_name"]

#: USER/NAME at Docker Hub, or HOST[:PORT]/USER/NAME; a digest may stand behind it.
_NAME = re.compile(
    r"(?:(?P<host>[\w.-]*[.:][\w.:-]*|localhost)/)?(?P<path>[a-z0-9._-]+(?:/[a-z0-9._-]+)+)(?P<digest>@sha256:[0-9a-f]{64})?",
    re.ASCII,
)
#: Where a name without a host leads.
_HUB = "docker.io"


def image_name(to: str | None, project: Project, *, digest: bool = False) -> str:
    """Return the whole name of the image of a project's version: with the host, and the version as its tag.

    Parameters
    ----------
    to
        The name without a tag, for example ``ada/top_tagger``.
    project
        Whose image it is.
    digest
        Whether ``@sha256:...`` may stand behind the name; it takes the place of the tag: what runs is those bytes.

    Raises
    ------
    ConfigError
        If the name can't be one of an image.
    """
    match = _NAME.fullmatch(to or "")
    if match is None or (match["digest"] and not digest):
        raise ConfigError(
            f"--to: got {to!r}, expected the name of an image without a tag, for example ada/{project.slug}"
        )
    return f"{match['host'] or _HUB}/{match['path']}{match['digest'] or f':{project.version}'}"


def host_of_image(image: str) -> str:
    """Return the host in the whole name of an image."""
    return image.split("/", maxsplit=1)[0]
