"""Calls that a server may draw out for ever: a byte now and then keeps every connection alive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["within"]

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T], who: str) -> T:
    """Return what a call gives, if it gives it in time.

    It runs in a thread of its own, which nobody can end: one that is too slow is left to itself, and ends with its
    connection or with the process.

    Parameters
    ----------
    seconds
        How long that may take.
    call
        What is called.
    who
        Whose answer is waited for, for the message.

    Raises
    ------
    TimeoutError
        If it takes longer.

    Examples
    --------
    >>> within(5, lambda: 2 + 2, "arithmetic")
    4
    """
    given: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            given.append(call())
        except BaseException as error:  # handed to whoever waits
            raised.append(error)

    thread = threading.Thread(target=run, name=f"asking {who}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"{who} wasn't done after {seconds:g} s")
    if raised:
        raise raised[0]
    return given[0]
