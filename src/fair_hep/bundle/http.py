"""Words about transfers that both ways of fetching share: the one with requests, and the one without."""

from __future__ import annotations

import datetime
import email.utils
import re
from urllib.parse import urlsplit

#: Bytes that are read at a time.
CHUNK = 256 * 1024

__all__ = ["CHUNK", "host_of", "readable", "retry_after", "without_secrets"]

#: What stands between a scheme and a host and may be a name and a password, up to the last @.
_LOGIN = re.compile(r"(\b[A-Za-z][\w+.-]*://)[^\s/?#'\"<>]*@")


def readable(size: float) -> str:
    """Return a number of bytes for humans.

    Examples
    --------
    >>> readable(532), readable(1_640_000_000)
    ('532 B', '1.6 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def without_secrets(text: str) -> str:
    """Leave out of addresses what may be a name and a password: for messages, and for whatever is kept.

    Examples
    --------
    >>> without_secrets("no answer from https://ada:secret@example.org/x")
    'no answer from https://example.org/x'
    """
    return _LOGIN.sub(r"\1", text)


def host_of(url: str) -> str:
    """Return the host in an address, for messages: the rest of an address may be long or private."""
    return urlsplit(url).hostname or "?"


def retry_after(value: str | None) -> float | None:
    """Return the seconds in a ``Retry-After`` header, which holds seconds or a date; None if it holds neither."""
    if value is None:
        return None
    if re.fullmatch(r"\d{1,9}", value.strip()):
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=datetime.UTC)
    return max(0.0, (date - datetime.datetime.now(datetime.UTC)).total_seconds())
