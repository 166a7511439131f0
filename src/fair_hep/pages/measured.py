"""Numbers with their errors as text, by one rule for headlines, tables and figures."""

from __future__ import annotations

import math

__all__ = ["measured"]


def measured(value: float | None, error: float | None, form: str = ".3f", *, unknown: str = "undefined") -> str:
    """Return a value with its error; without one where none is known, as for a single entry.

    An error of 0 is none: it is what a formula gives where there is nothing to spread. One that would be rounded to 0
    keeps a digit.

    Parameters
    ----------
    value, error
        None and NaN: not known.
    form
        How the value is written; the error likewise, without a sign.
    unknown
        What is said where there is no value.

    Examples
    --------
    >>> measured(0.5781, 0.0123), measured(0.5781, 0.0), measured(0.5781, None), measured(None, None)
    ('0.578 ± 0.012', '0.578', '0.578', 'undefined')
    >>> measured(0.03, 0.0004, "+.2f"), measured(0.47, 0.02, ".0%")
    ('+0.03 ± 0.0004', '47% ± 2%')
    """
    if value is None or not math.isfinite(value):
        return unknown
    if error is None or not math.isfinite(error) or error <= 0:
        return f"{value:{form}}"
    text = f"{error:{form.removeprefix('+')}}"
    if not any(digit in text for digit in "123456789"):
        scale, unit = (100, "%") if form.endswith("%") else (1, "")
        text = f"{error * scale:.{1 - math.ceil(math.log10(error * scale))}f}{unit}"
    return f"{value:{form}} ± {text}"
