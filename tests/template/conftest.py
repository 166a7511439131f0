"""What the template's tests share: bakes, copies of the template in git, and an environment that runs a project."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cookiecutter.main import cookiecutter

from support.installed import Environment
from support.template import ROOT, Bake, commit, tracked

# Bytecode in the template's folder would be copied into every project that is generated from it.
sys.dont_write_bytecode = True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what takes long first, so that no process ends with it while the others have nothing left to do."""
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, _place(item)))


#: What takes minutes, the longest first.
LONG = ("test_every_command_of_the_template", "test_every_command_of_the_project", "test_every_command_of_the_guide")


def _place(item: pytest.Item) -> int:
    name = item.name.partition("[")[0]
    return LONG.index(name) if name in LONG else len(LONG)


@pytest.fixture
def bake(tmp_path: Path) -> Bake:
    """Generate a project in a fresh folder from keyword answers; defaults for all others."""

    def generate(**answers: str) -> Path:
        made = cookiecutter(
            str(ROOT), no_input=True, default_config=True, extra_context=answers, output_dir=str(tmp_path / "out")
        )
        return Path(made)

    return generate


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with every default, for tests that only read it."""
    folder = tmp_path_factory.mktemp("default")
    return Path(cookiecutter(str(ROOT), no_input=True, default_config=True, output_dir=str(folder)))


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A copy of the template as a git repository of its own with one commit."""
    folder = tmp_path / "template"
    for name in tracked(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    commit(folder, "template", initial=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Environment:
    """What `make install` makes, with the wheel of a project, on what the tests run with."""
    return Environment(tmp_path_factory.mktemp("environment") / "venv", project)
