"""Every promise of the contract, kept by the models here."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from .. import models
from ..models.checks import CHECKS
from ..models.contract import Model


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())
@pytest.mark.parametrize("name", models.available())
def test_promise_is_kept(name: str, check: Callable[[Model, dict[str, Any]], None]) -> None:
    example = importlib.import_module(f".example_{name}", __package__)
    check(models.get(name), example.HYPERPARAMETERS)
