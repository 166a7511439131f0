"""The list of layers that can be explained is what trying each of them finds, and what documents and advice say."""

from __future__ import annotations

import importlib.util

import pytest

from fair_hep.check import CHECKS
from fair_hep.check.layers import PYG, TORCH
from support.needs import require
from support.tried_layers import PAGE, page, tried_pyg, tried_torch


@pytest.mark.slow
def test_the_list_is_what_trying_finds() -> None:
    require(importlib.util.find_spec("torch_geometric"), "torch_geometric isn't installed")
    assert tuple(tried_torch()) == TORCH
    assert tuple(tried_pyg()) == PYG


def test_documents_and_advice_say_the_list() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(TORCH, PYG)
    remedy = CHECKS["rule_for_every_module"].remedy
    assert all(name in remedy for name in (*TORCH, *PYG))
