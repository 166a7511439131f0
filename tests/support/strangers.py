"""Somebody who has nothing of ours: an environment that holds what a list of distributions needs, and no more.

What is downloaded elsewhere is linked here from the environment that runs the tests: each distribution by the files
that it lists, and those that it requires. So what isn't required isn't there, and pip sees the rest as installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from support.recipes import ROOT

__all__ = ["CORE", "Stranger", "built_wheel"]

#: What the library asks for without an extra.
CORE = ("click", "numpy", "onnxruntime", "pydantic", "pyyaml")
#: Variables by which a process would find what a stranger hasn't.
_OURS = ("PYTHONPATH", "FAIR_HEP_PROJECT")


def built_wheel(folder: Path) -> Path:
    """Build the wheel of the library as an index would hold it."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("fair_hep-*.whl")
    return wheel


class Stranger:
    """A virtual environment without anything of ours.

    Parameters
    ----------
    folder
        Where to make it.
    distributions
        What can be installed there, with all that it requires.
    """

    def __init__(self, folder: Path, *distributions: str) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.python = folder / "bin" / "python"
        self.packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
        self.offer(*distributions)

    def offer(self, *distributions: str) -> None:
        """Link distributions, and all that they require, into the environment."""
        for name in _required(distributions):
            for top in _tops(name):
                if not (self.packages / top.name).exists():
                    (self.packages / top.name).symlink_to(top)

    def pip(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run pip for this environment; it reaches no index."""
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "--quiet", *arguments]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)

    def run(self, *command: str, cwd: Path, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in a folder; only what is given of ours is in its variables."""
        inherited = {name: value for name, value in os.environ.items() if name not in _OURS}
        program = str(self.folder / "bin" / command[0])
        return subprocess.run(
            [program, *command[1:]], cwd=cwd, env={**inherited, "OMP_NUM_THREADS": "1", **variables}, input=stdin,
            capture_output=True, text=True, check=False,
        )  # fmt: skip


def _required(names: tuple[str, ...]) -> set[str]:
    """Return distributions with all that they require on this machine, without any extra."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name not in found:
            found.add(name)
            wanted = [Requirement(line) for line in metadata.requires(name) or []]
            todo += [one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def _tops(name: str) -> set[Path]:
    """Return the files and folders of a distribution at the top of the folder of packages."""
    known = metadata.distribution(name)
    parts = {path.parts[0] for path in known.files or [] if path.parts[0] not in ("..", "__pycache__")}
    return {Path(str(known.locate_file(part))) for part in parts}
