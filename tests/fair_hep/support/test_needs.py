"""The helper that lets a test say what it needs of the machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def test_what_is_there_passes(require: Callable[[object, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_ALL", "1")
    try:
        require(True, "never said")
    except pytest.skip.Exception as skipped:  # else the test would be skipped, and nobody would see why
        raise AssertionError("skipped what is there") from skipped


@pytest.mark.parametrize("value", [None, "", "0"])
def test_what_is_missing_skips_with_its_reason(
    require: Callable[[object, str], None], monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("REQUIRE_ALL", raising=False)
    if value is not None:
        monkeypatch.setenv("REQUIRE_ALL", value)
    with pytest.raises(pytest.skip.Exception, match="no root here"):
        require(False, "no root here")


def test_what_is_missing_fails_where_everything_is_required(
    require: Callable[[object, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="REQUIRE_ALL=1, but no root here"):
        require(False, "no root here")
