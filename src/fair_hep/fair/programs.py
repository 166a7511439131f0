"""The validators of others, each run as a program of its own: they pin versions that don't go together."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from .evidence import Failure

__all__ = ["asked", "needs", "said"]

REMEDY = "pip install '.[fair]'"
_TIMEOUT = 300.0
_ANSWERS: dict[tuple[str, str], tuple[subprocess.CompletedProcess[str], str]] = {}


def needs(module: str, package: str) -> None:
    """Fail if a library isn't installed: a check that can't be done hasn't passed.

    Raises
    ------
    Failure
        With the command that installs it.
    """
    if importlib.util.find_spec(module) is None:
        raise Failure(f"{package} isn't installed, so nothing was checked", REMEDY)


def asked(
    name: str, arguments: Sequence[str], folder: Path, document: bytes, report: Path | None = None
) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run a validator by the name of its command: the one beside this Python first, then the one on the path.

    Parameters
    ----------
    name, arguments, folder
        The command, and where it runs.
    document
        What its answer depends on: a document that occurs twice is validated once.
    report
        File that it writes its report to.

    Returns
    -------
    done, written
        How it ended, and what the report holds.

    Raises
    ------
    Failure
        If it isn't installed, or doesn't end in time.
    """
    key = (name, hashlib.sha256(document).hexdigest())
    if key not in _ANSWERS:
        try:
            done = subprocess.run(
                [*_command(name), *arguments], cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{name} gave no answer in {_TIMEOUT:.0f} s", f"run `{name}` by hand") from error
        _ANSWERS[key] = done, report.read_text(encoding="utf-8") if report and report.is_file() else ""
    return _ANSWERS[key]


def _command(name: str) -> list[str]:
    for entry in metadata.entry_points(group="console_scripts", name=name):
        code = f"import sys; from {entry.module} import {entry.attr} as main; sys.exit(main())"
        return [sys.executable, "-c", code]
    found = shutil.which(name)
    if found is None:
        raise Failure(f"{name} isn't installed, so nothing was checked", REMEDY)
    return [found]


def said(done: subprocess.CompletedProcess[str], words: int = 40) -> str:
    """Return the end of what a program said, in one line."""
    lines = (done.stdout + "\n" + done.stderr).split()
    return " ".join(lines[-words:])
