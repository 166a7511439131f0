"""The template as its tests see it: where it lies, what git tracks of it, and how commands are run in what it makes."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

__all__ = ["MODELS", "ROOT", "SLUGS", "TEMPLATE", "Bake", "attempt", "commit", "load", "run", "the_wheel", "tracked"]

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"
#: Name of the package that each model gets, here as in the demo and in the tests of generated projects.
SLUGS = {"particlenet": "top_tagger", "mlpf": "particle_flow", "custom": "my_tagger", "graph": "graph_tagger"}
MODELS = tuple(SLUGS)

Bake = Callable[..., Path]


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
    names = set(listed.split("\0")) - {""}
    return sorted(Path(name) for name in names if (folder / name).is_file() or (folder / name).is_symlink())


def load(path: Path) -> ModuleType:
    """Import a file as it lies, without rendering it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commit(folder: Path, message: str, *, initial: bool = False) -> None:
    """Commit everything in a folder, under a name of our own."""
    if initial:
        run("git", "init", "--quiet", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    identity = ("-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.org")
    run("git", *identity, "commit", "--quiet", "--message", message, cwd=folder)


def the_wheel(project: Path) -> Path:
    """Return the wheel of the library in a project: there is one."""
    (found,) = (project / "vendor").iterdir()
    return found
