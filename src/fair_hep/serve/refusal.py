"""What a client is told that gets no answer: a status, one line, a word for the statistics."""

from __future__ import annotations

__all__ = ["Refusal"]

#: The longest line: a request's own words come back in it.
_LONGEST = 500


class Refusal(Exception):  # noqa: N818 (a client's mistake, or a busy server, is no error of ours)
    """A request that gets another status than 200.

    Parameters
    ----------
    status
        Status of HTTP.
    line
        What, got, expected, what to do.
    reason
        One word for logs and metrics.
    wait
        Seconds after which trying again may help; None: it won't.
    """

    def __init__(self, status: int, line: str, reason: str, *, wait: int | None = None) -> None:
        line = " ".join(line.split())
        super().__init__(line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…")
        self.status, self.reason, self.wait = status, reason, wait
