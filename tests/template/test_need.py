"""Nothing skips itself green where nothing may be skipped."""

from __future__ import annotations

import pytest
from conftest import need


def test_what_is_there_is_not_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_ALL", "1")
    try:
        need(True, "unused")
    except pytest.skip.Exception as skipped:  # else the test would be skipped, and nobody would see why
        raise AssertionError("skipped what is there") from skipped


@pytest.mark.parametrize("value", ["", "0"])
def test_what_is_missing_is_skipped_with_its_reason(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("REQUIRE_ALL", value)
    with pytest.raises(pytest.skip.Exception, match="no such program"):
        need(False, "no such program")


def test_what_is_missing_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="no such program"):
        need(False, "no such program")
