"""An environment that stands in for what `make install` makes: the project's wheel, on what the tests run with."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import stat
import sys
import sysconfig
from pathlib import Path

from support.needs import require
from support.template import SLUGS, attempt, run, the_wheel

__all__ = ["Environment"]


class Environment:
    """A virtual environment with the library of a project, installed from its wheel.

    Parameters
    ----------
    folder
        Where to make it.
    project
        The project whose wheel is installed; others of the same template have the same.
    """

    def __init__(self, folder: Path, project: Path) -> None:
        _require_packages()
        self.folder, self.bin = folder, folder / "bin"
        run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
        # Whatever the library needs is there, but for the library itself: that of this environment comes first.
        base = sysconfig.get_paths()["purelib"]
        purelib = Path(
            run(self.bin / "python", "-c", "import sysconfig as s; print(s.get_paths()['purelib'])", cwd=folder).strip()
        )
        (purelib / "base.pth").write_text(f"{base}\n")
        pip = (sys.executable, "-m", "pip", "--python", self.bin / "python", "install", "--quiet")
        run(*pip, "--no-index", "--no-deps", the_wheel(project), cwd=folder)
        own = {path.name for path in self.bin.iterdir()}
        for program in Path(sys.executable).parent.iterdir():
            if program.name not in own | set(SLUGS.values()):
                (self.bin / program.name).symlink_to(program)
        for slug in SLUGS.values():
            self.add_command(slug)
        (folder / ".cookiecutter").touch()
        self.stamp(project)

    def add_command(self, slug: str) -> None:
        """Add the command of a project, which runs the package in the folder that it is called in."""
        starter = self.bin / slug
        starter.write_text(f'#!/bin/sh\nexec {shlex.quote(str(self.bin / "python"))} -m fair_hep.cli "$@"\n')
        starter.chmod(starter.stat().st_mode | stat.S_IXUSR)

    def stamp(self, project: Path) -> None:
        """Mark the environment as the one that `make install` made for a project."""
        checksum = attempt("sh", "-c", "cksum < pyproject.toml | cut -d' ' -f1", cwd=project).stdout.strip()
        (self.folder / f".installed-{checksum}").touch()


def _require_packages() -> None:
    names = ("torch", "mlflow", "fastjet", "pythia8mc", "onnx")
    missing = [name for name in names if not importlib.util.find_spec(name)]
    require(not missing, f"{', '.join(missing)} isn't installed: make environment")
    require(shutil.which("curl"), "curl isn't installed")
    programs = {path.name for path in Path(sys.executable).parent.iterdir()}
    tools = {"cffconvert", "cookiecutter", "mypy", "pyshacl", "pytest", "ruff", "uvicorn"}
    require(tools <= programs, f"{', '.join(sorted(tools - programs))} isn't installed: make environment")
