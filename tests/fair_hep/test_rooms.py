"""The order of the library's rooms: each imports only from rooms below it, and no file needs itself in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fair_hep

ROOT = Path(fair_hep.__file__).parent
#: From the ground up. What stands at the top of the package (`__init__`) only names what lies in the rooms.
ROOMS = (
    "bundle", "analysis", "serve", "provenance", "archives", "lrp", "nets", "data", "pages", "models", "tracing",
    "pruning", "study", "tagging", "detector", "simulation", "jets", "particleflow", "describe", "export", "check",
    "fair", "publish", "project", "cli",
)  # fmt: skip
FILES = {path.relative_to(ROOT).with_suffix("").parts: path for path in ROOT.rglob("*.py") if path.parent != ROOT}


def imports(node: ast.AST, *, lazy: bool) -> Iterator[ast.ImportFrom]:
    """Give the relative imports of a file; those inside functions too, if asked for."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ImportFrom) and child.level:
            yield child
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not lazy:
            continue
        elif lazy or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(child, lazy=lazy)


def targets(name: tuple[str, ...], node: ast.ImportFrom) -> list[tuple[str, ...]]:
    """Return the modules that an import names."""
    base = name[: len(name) - node.level] + tuple((node.module or "").split(".") if node.module else ())
    found = [(*base, alias.name) for alias in node.names]
    return [one if one in FILES or (*one, "__init__") in FILES else base for one in found]


def test_every_room_is_known() -> None:
    assert {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_rooms_below_it(room: str) -> None:
    upwards = [
        f"{path.relative_to(ROOT)}:{node.lineno} imports {'.'.join(target)}"
        for name, path in FILES.items()
        if name[0] == room
        for node in imports(ast.parse(path.read_text(encoding="utf-8")), lazy=True)
        for target in targets(name, node)
        if target and target[0] in ROOMS and ROOMS.index(target[0]) > ROOMS.index(room)
    ]
    assert upwards == []


def test_nothing_names_the_package_by_its_name() -> None:
    """Imports are relative, so that a room can be moved, and `bundle` can be carried alone."""
    for path in FILES.values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not any(name.split(".")[0] == "fair_hep" for name in names), f"{path}:{getattr(node, 'lineno', 0)}"


def test_there_are_no_circles() -> None:
    """Not even by imports inside functions: what needs each other in a circle is one thing, or badly cut."""
    graph: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for name, path in FILES.items():
        nodes = imports(ast.parse(path.read_text(encoding="utf-8")), lazy=True)
        found = {target for node in nodes for target in targets(name, node)}
        graph[name] = {one if one in FILES else (*one, "__init__") for one in found if one}
    circles = []
    for start, found in graph.items():
        seen, todo = set(), list(found)
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo += graph.get(one, ())
        if start in seen:
            circles.append("/".join(start))
    assert circles == []
