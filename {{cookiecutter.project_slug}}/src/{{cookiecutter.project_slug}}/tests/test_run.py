"""The chain is made of the verbs, in their order, and each verb has its places."""

from __future__ import annotations

import importlib
from pathlib import Path

import click
import pytest

from .. import __name__ as package
from ..cli import command
from ..run import CHAIN
from .small import NAME

ALONE = {
    "serve": ".serve", "publish": ".publish", "predict": ".predict.verb", "check": ".check.verb", "run": ".run",
    "import": ".imported.verb", "bundle": ".foreign.verb",
}  # fmt: skip
#: Verbs that particlenet's and mlpf's own tests try one by one; other models try the chain as a whole.
ON_A_MODEL = {"train", "evaluate", "export", "register", "predict"}
PAGES = {"report": ".report", "index": ".index", "fair": ".fair.verb"}
VERBS = {**CHAIN, **ALONE, **PAGES, "simulate": ".data.simulate"}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_a_command_a_module_and_a_test(verb: str) -> None:
    assert isinstance(command.commands[verb], click.Command)
    assert callable(importlib.import_module(VERBS[verb], package).run)


def test_there_are_no_other_commands() -> None:
    assert set(command.commands) == set(VERBS)


@pytest.mark.parametrize("verb", [*CHAIN, "serve", "publish", "predict", "check", "import", "bundle", *PAGES])
def test_a_verb_has_a_test_file(verb: str) -> None:
    """Its own; or a model's, where a verb is tried on the model of the project."""
    folder = Path(__file__).parent
    assert list(folder.glob(f"test_*{verb}*.py")) or (verb in ON_A_MODEL and list(folder.glob(f"test_{NAME}_*.py")))
