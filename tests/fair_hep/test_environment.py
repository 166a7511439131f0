"""The page of environment variables tells all that the library reads or sets, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import fair_hep
from support.template import ROOT

PAGE = ROOT / "docs" / "reference" / "environment.md"
SOURCE = Path(fair_hep.__file__).parent
NAME = r"[A-Z][A-Z0-9_]{2,}"
#: Words in capitals that aren't variables, in files that read some: of HTTP, TLS, MLflow, Kubernetes and Docker.
OTHER_WORDS = {
    "BAD_REQUEST", "UNAVAILABLE", "POST", "CERTIFICATE_VERIFY_FAILED", "FAILED", "FINISHED", "TCP", "CMD", "ALL",
}  # fmt: skip


def names_in(tree: ast.Module) -> Iterator[str]:
    """Give strings that look like a variable's name; names of the module itself, as in `__all__`, aren't meant."""
    own = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    own |= {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and re.fullmatch(NAME, str(node.value)) and node.value not in own:
            yield str(node.value)


def used() -> dict[str, set[str]]:
    """Return the variables by name, each with the files that know it."""
    found: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if re.search(r"\b(environ|credentials)\b", text):
            for name in names_in(ast.parse(text)):
                found.setdefault(name, set()).add(path.name)
    return {name: files for name, files in found.items() if name not in OTHER_WORDS}


def told() -> set[str]:
    """Return the variables of the page's first table."""
    part = PAGE.read_text(encoding="utf-8").partition("## Read by the library")[2].partition("\n## ")[0]
    return {
        name for row in re.findall(r"^\| (`[^|]*) \|", part, re.MULTILINE) for name in re.findall(rf"`({NAME})`", row)
    }


def test_the_page_tells_every_variable() -> None:
    found = used()
    assert len(found) > 15
    assert set(found) - told() == set(), {name: found[name] for name in set(found) - told()}
    assert told() - set(found) == set(), "the page tells of variables that nothing reads"


def test_a_variable_in_the_source_is_found() -> None:
    source = """
import os
from .other import CHAMPION
TOKEN = "ZENODO_TOKEN"
__all__ = ["CHAMPION", "TOKEN"]
wanted = os.environ.get("FAIR_HEP_NEW", "plain words")
"""
    assert sorted(names_in(ast.parse(source))) == ["FAIR_HEP_NEW", "ZENODO_TOKEN"]


def test_nothing_reads_the_environment_in_another_way() -> None:
    """What ``os.getenv`` reads would go unseen here."""
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "getenv" not in text, f"{path.name}: os.environ is what is looked for"
