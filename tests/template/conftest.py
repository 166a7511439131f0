"""What the template's tests share: bakes, copies of the template in git, and an environment that runs a project."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest
from cookiecutter.main import cookiecutter

# Bytecode in the template's folder would be copied into every project that is generated from it.
sys.dont_write_bytecode = True

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"

Bake = Callable[..., Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what takes long first, so that no process ends with it while the others have nothing left to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def need(there: object, reason: str) -> None:
    """Skip a test that lacks something on this machine; fail it where nothing may be skipped (REQUIRE_ALL=1)."""
    if there:
        return
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"REQUIRE_ALL=1 forbids to skip this test: {reason}")
    pytest.skip(reason)


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
    """Run a command and return what it printed; fail with all of that if it fails."""
    done = attempt(*command, cwd=cwd, env=env, stdin=stdin)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def attempt(
    *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command that may fail."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
    return subprocess.run(command, cwd=cwd, env=environment, input=stdin, text=True, capture_output=True, check=False)


def tracked(folder: Path) -> list[Path]:
    """Return the files of a checkout, by relative path: those that git tracks, and new ones that it doesn't ignore."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=folder)
    return sorted(Path(name) for name in set(listed.split("\0")) if name and (folder / name).is_file())


def load(path: Path) -> ModuleType:
    """Import a file as it lies, without rendering it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
        shutil.copy2(ROOT / name, folder / name)
    commit(folder, "template", initial=True)
    yield folder
    shutil.rmtree(folder)


def commit(folder: Path, message: str, *, initial: bool = False) -> None:
    """Commit everything in a folder, under a name of our own."""
    if initial:
        run("git", "init", "--quiet", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    identity = ("-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.org")
    run("git", *identity, "commit", "--quiet", "--message", message, cwd=folder)
