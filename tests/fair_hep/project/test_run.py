"""The chain is made of the verbs, in their order, and each verb has its places."""

from __future__ import annotations

import importlib
from pathlib import Path

import click
import pytest

from fair_hep.cli.project import command
from fair_hep.project.run import CHAIN

ALONE = ("serve", "publish", "predict", "check", "run", "import", "bundle", "report", "fair", "simulate", "prune")
#: Where a verb's module has another name, since Python has a word of it; the index needs no project.
MODULES = {"import": "fair_hep.project.import_", "index": "fair_hep.describe.index"}
VERBS = (*CHAIN, *ALONE, "config", "index")


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_a_command_a_module_and_a_test(verb: str) -> None:
    assert isinstance(command.commands[verb], click.Command)
    assert callable(importlib.import_module(MODULES.get(verb, f"fair_hep.project.{verb}")).run)


def test_there_are_no_other_commands() -> None:
    assert set(command.commands) == set(VERBS)


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"run", "simulate"}))
def test_a_verb_has_a_test_file(verb: str) -> None:
    """Its own, among those of the library or of the recipes."""
    assert [path for path in Path(__file__).parents[2].rglob(f"test_*{verb}*.py") if path.parent.name != "template"]
