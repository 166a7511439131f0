"""Words about transfers that both ways of fetching share: the one with requests, and the one without."""

from __future__ import annotations

import datetime
import email.utils
import re
from urllib.parse import urlsplit

#: Bytes that are read at a time.
CHUNK = 256 * 1024

__all__ = ["CHUNK", "host_of", "readable", "retry_after"]


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
