"""What a test needs of the machine: a skip with a reason, or a failure where everything must be there."""

from __future__ import annotations

import os

import pytest

__all__ = ["require"]


def require(condition: object, reason: str) -> None:
    """Go on if the condition holds; otherwise skip, or fail under ``REQUIRE_ALL=1``: no test skips itself green."""
    if condition:
        return
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"REQUIRE_ALL=1, but {reason}", pytrace=False)
    pytest.skip(reason)
