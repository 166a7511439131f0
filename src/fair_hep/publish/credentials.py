"""Tokens: from the environment, or from the keyring of the system. Never from a file or an argument."""

from __future__ import annotations

import importlib.util
import os
from urllib.parse import urlsplit

from ..bundle.errors import ServiceError

__all__ = ["token"]


def token(variable: str, url: str) -> str:
    """Return the token for a service.

    Parameters
    ----------
    variable
        Environment variable that may hold it; the same word is its name in the keyring.
    url
        Address of the service; its host is the keyring's service, so that several hosts have a token each.

    Raises
    ------
    ServiceError
        If there is none.
    """
    host = urlsplit(url).hostname or url
    if found := os.environ.get(variable, "").strip() or _kept(host, variable):
        return found
    raise ServiceError(
        f"{variable} is not set: make a token with the right to deposit in your account at {host}, and export it, "
        f"or keep it with `keyring set {host} {variable}`"
    )


def _kept(host: str, variable: str) -> str:
    """Ask the keyring, if it is installed and the system has one."""
    if importlib.util.find_spec("keyring") is None:
        return ""
    import keyring
    import keyring.errors

    try:
        return (keyring.get_password(host, variable) or "").strip()
    except keyring.errors.KeyringError:  # no keyring in this session, or locked: as if there were none
        return ""
