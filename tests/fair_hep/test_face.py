"""The public face: few names, each documented, and none costs anything before it is asked for."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import fair_hep

#: More would be a catalogue: whoever reads the list shall find what to use.
MOST = 40
#: Constants say what they are in the comment above them, where help() doesn't look.
CONSTANTS = ("COLOURS", "COMPOSITES", "__version__")


def test_it_has_at_most_forty_names_in_order() -> None:
    assert len(fair_hep.__all__) <= MOST
    assert len(set(fair_hep.__all__)) == len(fair_hep.__all__)
    assert set(fair_hep.__all__) <= set(dir(fair_hep))


@pytest.mark.parametrize("name", fair_hep.__all__)
def test_a_name_resolves_and_is_documented(name: str) -> None:
    value = getattr(fair_hep, name)
    assert getattr(fair_hep, name) is value
    if name in CONSTANTS:
        assert value
    else:
        assert value.__name__ == name
        assert len((value.__doc__ or "").splitlines()[0]) > 15


@pytest.mark.parametrize("name", fair_hep.__all__)
def test_a_name_has_an_example_that_is_run(name: str) -> None:
    """By ``--doctest-modules``, with the tests of the library; a constant has it in the module where it lives."""
    home = importlib.import_module(f"fair_hep.{fair_hep._HOME[name]}" if name in fair_hep._HOME else "fair_hep")
    shown = home.__doc__ if name in CONSTANTS else getattr(fair_hep, name).__doc__
    examples = doctest.DocTestParser().get_examples(inspect.cleandoc(shown or ""))
    assert any(example.want for example in examples), "an example says what comes out"
    made = (fair_hep.Citation, fair_hep.Explanation, fair_hep.LoadedModel, fair_hep.Signature, fair_hep.TensorSpec)
    # What other names give needn't be called by its own.
    assert name in {kind.__name__ for kind in made} or any(name in f"{one.source}{one.want}" for one in examples)


def test_the_list_of_names_tells_what_each_is_for() -> None:
    text = fair_hep.__doc__ or ""
    assert [name for name in fair_hep.__all__ if f"`{name}`" not in text] == ["__version__"]


def test_what_type_checkers_see_is_what_there_is() -> None:
    """The imports under TYPE_CHECKING are the table of homes, written a second time: they must say the same."""
    tree = ast.parse(Path(fair_hep.__file__).read_text(encoding="utf-8"))
    found = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    assert found == fair_hep._HOME
    assert {*found, "__version__"} == set(fair_hep.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = fair_hep.lod


def test_importing_it_imports_nothing_else() -> None:
    """Measured by what is loaded, which doesn't hang on the machine: the package and what Python has loaded anyway."""
    program = """
        import __future__, importlib, sys, typing
        before = set(sys.modules)
        import fair_hep
        print(*sorted(set(sys.modules) - before))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=Path(fair_hep.__file__).parents[1], timeout=60
    )
    assert done.stdout.split() == ["fair_hep"]
