"""The log: a line of JSON for each event on standard output, and no more lines in a second than somebody can read."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from typing import Any

__all__ = ["EVENTS", "JsonLines", "Sparing", "attach"]

#: What the server itself has to say; a record's ``fields`` are the keys of its line.
EVENTS = logging.getLogger("fair_hep.serve")
#: Who else speaks in a server: their lines get the same form and the same bound.
_OTHERS = ("uvicorn.error", "asyncio", "fair_hep.bundle")
#: The longest traceback and the longest text of others, in characters; their ends say most.
_TRACE, _TEXT = 4000, 500


class JsonLines(logging.Formatter):
    """One JSON object in one line of ASCII, whatever the texts hold."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, Any] = {"time": round(record.created, 3), "level": record.levelname.lower()}
        fields = getattr(record, "fields", None)
        if fields is None:
            line |= {"logger": record.name, "message": record.getMessage()[:_TEXT]}
        else:
            line |= {"event": record.getMessage(), **fields}
        if record.exc_info and record.exc_info[0] is not None:
            line["trace"] = "".join(traceback.format_exception(*record.exc_info))[-_TRACE:]
        return json.dumps(line)


class Sparing(logging.Filter):
    """Lets so many lines pass in a second; the first event of the next one says how many were held back.

    A record with the attribute ``always`` passes whatever was before it.

    Parameters
    ----------
    lines
        Lines in a second.
    """

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.lines = lines
        self._second, self._passed, self._held = 0, 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record passes."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._passed = second, 0
        if self._passed >= self.lines and not getattr(record, "always", False):
            self._held += 1
            return False
        self._passed += 1
        if self._held and (fields := getattr(record, "fields", None)) is not None:
            fields["held_back"], self._held = self._held, 0
        return True


def attach(lines: int) -> None:
    """Send the log of this process' server to standard output, at most so many lines in a second."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    handler.addFilter(Sparing(lines))
    for name, level in ((EVENTS.name, logging.INFO), *((other, logging.WARNING) for other in _OTHERS)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
